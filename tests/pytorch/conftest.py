"""Small models with random weights, of architectures that differ in what their caches hold."""

import pytest
import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import AutoConfig, AutoModelForCausalLM, PreTrainedTokenizerFast

END = 0
ARCHITECTURES = {
    "llama": {"num_key_value_heads": 2},
    "qwen2": {"num_key_value_heads": 2},
    # Layers with a sliding window beside layers with the whole context.
    "gemma2": {"num_key_value_heads": 2, "head_dim": 16, "sliding_window": 8},
    "gpt_neox": {"rotary_pct": 0.5},
    "gpt2": {},
}


@pytest.fixture
def document():
    """Makes a session's specification as its program is given it."""
    common = {
        "session": "tiny__longcode__r1",
        "campaign": "test",
        "model": "tiny",
        "source": "init",
        "prompt": "completion",
        "entry": {"source": "init", "licence": "none"},
        "workload": "longcode",
        "round": 1,
        "batch_size": 1,
        "dtype": "float32",
        "decoding": "greedy",
        "device": "cpu",
        "seed": 1,
        "metering": {"period_s": 0.02, "idle_s": 0, "cpu_rated_power_w": None, "wall": None},
        "threads": 1,
        "warmup_s": 0,
        "protocol": {"stable_within": None, "warmup_max_s": 0, "settle_s": 0, "cooldown": None},
        "probe": {"prompts": 1, "output_tokens": 5, "window_s": 0.05, "repetitions": 1},
    }
    sweep = {"sweep": {"prompt_tokens": [80, 120], "longest": None, "output_tokens": [4, 9]}}
    benchmark = {
        "tasks": "all",
        "tasks_chosen_by": None,
        "conditions": ["baseline"],
        "repetitions": 1,
        "max_new_tokens": 100,
        "prompt_tokens": 90,
        "suppression": {"unit": "line", "timeout_s": 1, "memory_mb": 128},
        "replay": None,
    }

    def make(**changes):
        form = sweep if changes.get("workload") == "sweep" else benchmark
        return common | form | changes

    return make


@pytest.fixture(scope="session")
def tokenizer():
    """Bytes, one a token: any text, and characters that span tokens."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    words = {"<end>": END, **{letter: number for number, letter in enumerate(alphabet, 1)}}
    backend = Tokenizer(models.BPE(vocab=words, merges=[]))
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    backend.decoder = decoders.ByteLevel()
    return PreTrainedTokenizerFast(tokenizer_object=backend, eos_token="<end>")


@pytest.fixture(scope="session", params=ARCHITECTURES)
def model(request):
    """Batch-1 logits of these differ enough that two paths that disagree pick other tokens."""
    torch.manual_seed(7)
    shape = {
        "hidden_size": 64,
        "intermediate_size": 128,
        "num_hidden_layers": 3,
        "num_attention_heads": 4,
        "vocab_size": 257,
        "max_position_embeddings": 256,
        "eos_token_id": END,
        "bos_token_id": None,
        "pad_token_id": END,
        "initializer_range": 0.4,
    }
    config = AutoConfig.for_model(request.param, **shape, **ARCHITECTURES[request.param])
    made = AutoModelForCausalLM.from_config(config).eval()
    made.generation_config.eos_token_id = END
    made.generation_config.pad_token_id = END
    return made
