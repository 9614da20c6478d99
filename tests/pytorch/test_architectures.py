"""Tokens of many families against `generate`: the engine's, those of a batch, of repeated steps."""

import pytest
import torch
from transformers import AutoConfig, AutoModelForCausalLM

from generation.agreement import disagreement
from generation.decode import Engine, Repeated, Settings

PROMPT = [5, 17, 42, 99, 3, 17, 200, 7, 7, 31, 64]
# Of one token; shorter than windows and what changes at a length, which the output crosses; longer.
PROMPTS = {1: 8, 11: 24, 33: 8}
# The same prompt twice in a batch is not computed as once: refused.
BATCHES_DIFFER = {"rwkv"}


# Whatever of these a family has.
SMALL = {
    **{"vocab_size": 257, "hidden_size": 64, "n_embd": 64, "d_model": 64, "emb_dim": 64},
    **{"num_hidden_layers": 2, "n_layer": 2, "n_layers": 2, "decoder_layers": 2, "num_layers": 2},
    **{"num_attention_heads": 4, "n_head": 4, "n_heads": 4, "decoder_attention_heads": 4},
    **{"num_key_value_heads": 2, "head_dim": 16, "num_heads": 8, "n_groups": 1, "rotary_dim": 8},
    **{"intermediate_size": 96, "ffn_hidden_size": 96, "ffn_dim": 96, "decoder_ffn_dim": 96},
    **{"n_inner": 96, "dff": 96, "embedding_size": 64, "initializer_range": 0.3},
    **{"max_position_embeddings": 256, "n_positions": 256, "n_ctx": 256, "max_seq_len": 256},
    **{"context_length": 256, "sliding_window": 8, "attention_window_size": 8},
    **{"num_experts": 4, "num_local_experts": 4, "n_routed_experts": 4, "num_experts_per_tok": 2},
    **{"moe_intermediate_size": 32, "shared_expert_intermediate_size": 32, "n_shared_experts": 1},
    **{"n_group": 1, "topk_group": 1, "first_k_dense_replace": 1, "kv_lora_rank": 16},
    **{"q_lora_rank": 16, "qk_rope_head_dim": 8, "qk_nope_head_dim": 8, "v_head_dim": 16},
    **{"state_size": 8, "chunk_size": 16, "mamba_d_state": 8, "mamba_n_heads": 4},
    **{"mamba_d_head": 32, "mamba_n_groups": 1, "mamba_d_ssm": 128, "mamba_chunk_size": 16},
    **{"linear_num_key_heads": 2, "linear_num_value_heads": 4, "linear_key_head_dim": 16},
    **{"linear_value_head_dim": 16, "lru_width": 64, "is_decoder": True},
    **{"eos_token_id": 0, "pad_token_id": 0, "bos_token_id": 1},
}
LONGROPE = {
    "original_max_position_embeddings": 24,
    "rope_parameters": {
        **{"rope_type": "longrope", "rope_theta": 1e4, "original_max_position_embeddings": 24},
        **{"short_factor": [1.0] * 8, "long_factor": [4.0] * 8},
    },
}
DYNAMIC = {
    "max_position_embeddings": 24,
    "rope_parameters": {"rope_type": "dynamic", "rope_theta": 1e4, "factor": 4.0},
}
PLAIN = (
    # A cache, and positions that follow from it.
    *("llama", "qwen2", "qwen3", "gemma", "granite", "cohere", "olmo2", "glm4", "starcoder2"),
    *("gpt2", "gpt_neox", "gpt_bigcode", "gptj", "codegen", "opt", "biogpt", "stablelm", "phi"),
    *("bloom", "mpt", "falcon", "nemotron", "roberta", "bert", "electra"),
    # Experts.
    *("mixtral", "qwen2_moe", "olmoe", "gpt_oss", "deepseek_v2", "deepseek_v3"),
    # Windows, on all layers or on some.
    *("mistral", "gemma2", "cohere2", "exaone4"),
    # States beside a cache or in place of one, which layers change in place.
    *("mamba", "mamba2", "falcon_mamba", "falcon_h1", "minimax"),
    # A state under a name of its own, and none at all: every step sees all tokens again.
    *("rwkv", "openai-gpt"),
)
FAMILIES = dict.fromkeys(PLAIN) | {
    "gemma3_text": {"layer_types": ["sliding_attention", "full_attention"]},
    "gpt_neo": {"attention_types": [[["global", "local"], 1]], "window_size": 8, "num_heads": 4},
    # A rotary embedding that changes with the length of the context.
    "phi3": LONGROPE,
    "llama, dynamic": DYNAMIC,
    # States in some layers, caches in others.
    "bamba": {"attn_layer_indices": [1]},
    "jamba": {"attn_layer_period": 2, "attn_layer_offset": 1},
    "recurrent_gemma": {"num_hidden_layers": 3},
    "qwen3_next": {"layer_types": ["linear_attention", "full_attention"]},
    "lfm2": {"layer_types": ["conv", "full_attention"]},
}


def made(name):
    """A model of `FAMILIES`; weights of this size differ enough that another path says others."""
    kind, more = name.partition(",")[0], FAMILIES[name] or {}
    blank = AutoConfig.for_model(kind)
    known = blank.to_dict().keys() | blank.attribute_map.keys()
    fields = {
        field: value
        for field, value in SMALL.items()
        if field in known
        # A name that the family translates to one that is here as well.
        and blank.attribute_map.get(field) not in SMALL
        and not (field == "head_dim" and "qk_rope_head_dim" in known)
        and not (field == "sliding_window" and blank.sliding_window is None)
    }
    torch.manual_seed(7)
    model = AutoModelForCausalLM.from_config(AutoConfig.for_model(kind, **fields | more)).eval()
    model.generation_config.eos_token_id = None
    model.generation_config.pad_token_id = None
    return model


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    """For models of this size more are slower, several times where others work beside."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="module", params=FAMILIES)
def family(request):
    return request.param


@pytest.fixture(scope="module")
def model(family):
    return made(family)


@pytest.fixture
def engine(model, tokenizer):
    return Engine(model, tokenizer)


def generate(model, prompt, count):
    ids = torch.tensor([prompt])
    with torch.inference_mode():
        output = model.generate(
            ids, attention_mask=torch.ones_like(ids), max_new_tokens=count, do_sample=False
        )
    return output[0, len(prompt) :].tolist()


def forced(engine, prompt, count, **more):
    return engine.generate(prompt, Settings(count, forced_length=True, **more)).tokens


def test_tokens_equal_those_of_generate_and_those_of_its_probes(family, model, engine):
    for length, count in PROMPTS.items():
        prompt = (PROMPT * 3)[:length]
        # First ours: nothing of a longer context before may be left in the model.
        ours = forced(engine, prompt, count)
        assert ours == generate(made(family), prompt, count), length
        assert ours == forced(engine, prompt, count)
    once = forced(engine, PROMPT, 16)
    assert repeated(engine, 16) == [once] * 3


def repeated(engine, count):
    """The tokens of three times the same decoding steps."""
    seen, decode = [], engine._decode

    def watched(*arguments):
        decode(*arguments)
        seen.append(arguments[-1].tokens)

    def thrice(once, window_s):
        for _ in range(3):
            once()
        return Repeated(start_ns=0)

    engine._decode, engine._repeat = watched, thrice
    engine.repeat_decode(PROMPT, Settings(count, forced_length=True), 0)
    return seen


def test_a_model_that_computes_what_it_should_is_accepted(family, engine):
    assert disagreement(engine, PROMPT, torch.float32) is None
    why = disagreement(engine, PROMPT, torch.float32, batch=3)
    if family in BATCHES_DIFFER:
        assert "decoding does not give what the model computes without a cache" in why
    else:
        assert why is None
        assert forced(engine, PROMPT, 12, batch=3) == forced(engine, PROMPT, 12)


def test_a_replay_and_a_seed_decode_as_before(engine):
    forcing = tuple(forced(engine, PROMPT, 6, temperature=2.0, seed=3))
    assert forcing == tuple(forced(engine, PROMPT, 6, temperature=2.0, seed=3))
    replay = engine.generate(PROMPT, Settings(1, replay=forcing))
    assert tuple(replay.tokens) == forcing
