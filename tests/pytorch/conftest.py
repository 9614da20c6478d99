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
