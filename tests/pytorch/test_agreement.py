"""A model whose decoding is not what it computes is refused at load; what else is refused there."""

import dataclasses
import json

import pytest
import torch
from transformers import AutoConfig, AutoModelForCausalLM, GenerationConfig

from generation.agenda import AgendaError, sweep_lengths
from generation.agreement import apart, disagreement
from generation.decode import Engine, ignored_settings
from generation.lab import Lab, SessionError
from generation.specification import PhasesSpecification, SweepSettings
from generation.workloads import write_tasks
from generation.workloads.nextline import LineTask
from session.specification import parse
from weights.decoders import context_limit, stated_limit

PROMPT = list(range(5, 25))


class Blind(Engine):
    """Decodes as if nothing but the cache went from step to step: as this engine once did."""

    def first_steps(self, prompt, count, batch):
        step = self._steps.step

        def blind(context, tokens):
            context.keywords["position_ids"] = torch.zeros_like(context.keywords["position_ids"])
            return step(context, tokens)

        self._steps.step = blind
        return super().first_steps(prompt, count, batch)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_steps_without_their_positions_are_found_and_right_ones_are_not(model, tokenizer, dtype):
    model = AutoModelForCausalLM.from_config(model.config, dtype=dtype).eval()
    assert disagreement(Engine(model, tokenizer), PROMPT, dtype) is None
    why = disagreement(Blind(model, tokenizer), PROMPT, dtype)
    assert why.startswith("decoding does not give what the model computes") and "\n" not in why


def test_distances_are_in_spreads_and_what_both_rule_out_is_left_out():
    one = torch.tensor([[1.0, 3.0, -torch.inf], [1.0, 3.0, torch.nan]])
    other = torch.tensor([[2.0, 4.0, -torch.inf], [1.0, 3.0, 0.0]])
    assert apart(one, other).tolist() == [1.0, torch.inf]
    assert apart(other, other).tolist() == [0.0, 0.0]


@pytest.fixture
def lab_of(tmp_path, tokenizer, document):
    def make(kind, source="folder", workload="longcode", **fields):
        return lab(tmp_path, tokenizer, document(source=source, workload=workload), kind, **fields)

    return make


def lab(tmp_path, tokenizer, document, kind, **fields):
    shape = {"vocab_size": 257, "hidden_size": 32, "num_hidden_layers": 2, "eos_token_id": 0}
    blank = AutoConfig.for_model(kind)
    known = blank.to_dict().keys() | blank.attribute_map.keys()
    shape = {name: value for name, value in shape.items() if name in known}
    torch.manual_seed(0)
    model = AutoModelForCausalLM.from_config(AutoConfig.for_model(kind, **shape | fields))
    model.save_pretrained(tmp_path / "weights")
    tokenizer.save_pretrained(tmp_path / "weights")
    record = {"name": "tiny", "source": document["source"], "weights": "weights", "seed": 0}
    (tmp_path / "model.json").write_text(json.dumps(record))
    tasks = [LineTask("longcode/0", "x = 1\n" * 60, "x = 2", "file.py, line 9")]
    write_tasks(tmp_path / "tasks.jsonl", tasks)
    files = tmp_path / "model.json", tmp_path / "tasks.jsonl"
    spec = parse(PhasesSpecification, document, "test")
    return Lab(spec, *files, None, torch.device("cpu"))


@pytest.mark.parametrize(
    ("kind", "fields", "limit"),
    [
        ("bloom", {"n_head": 2}, None),
        ("mamba", {"state_size": 4}, None),
        ("mpt", {"d_model": 32, "n_heads": 2, "n_layers": 2, "max_seq_len": 300}, 300),
        ("gpt2", {"n_positions": 320, "n_head": 2}, 320),
    ],
)
@pytest.mark.parametrize("workload", ["longcode", "sweep"])
def test_a_session_of_a_model_with_another_limit_or_none(lab_of, kind, fields, limit, workload):
    lab = lab_of(kind, workload=workload, **fields)
    assert lab.facts["context_limit"] == limit
    item = next(item for item in lab.items if getattr(item, "what", "prefill") == "prefill")
    assert lab.measure(item, None)[-1]["prompt_tokens"] >= 80


def test_limits_where_families_keep_them():
    blank = AutoConfig.for_model
    assert stated_limit(blank("falcon", alibi=True)) is None
    assert stated_limit(blank("falcon", alibi=False)) == 2048
    assert stated_limit(blank("dbrx")) == 2048 and stated_limit(blank("xlstm")) is None
    shape = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "vocab_size": 9}
    roberta = blank("roberta", **shape, max_position_embeddings=40, pad_token_id=1, is_decoder=True)
    assert context_limit(AutoModelForCausalLM.from_config(roberta)) == 38


def test_a_sweep_of_a_model_without_a_limit_needs_one():
    sweep = SweepSettings(prompt_tokens="auto", longest=None, output_tokens=(4,))
    with pytest.raises(AgendaError, match=r"phases\.sweep\.longest: null"):
        sweep_lengths(sweep, None)
    assert sweep_lengths(dataclasses.replace(sweep, longest=300), None) == [64, 128, 256]
    given = dataclasses.replace(sweep, prompt_tokens=(90, 80))
    assert sweep_lengths(given, None) == [80, 90]
    assert sweep_lengths(sweep, 200) == [64, 128]


def test_true_weights_get_no_tokens_of_another_vocabulary(lab_of):
    shape = {"vocab_size": 60, "num_attention_heads": 2}
    with pytest.raises(SessionError, match="tokenizer is another model's"):
        lab_of("llama", **shape)
    assert lab_of("llama", source="init", **shape).items


def ignored_by(model, monkeypatch, **fields):
    monkeypatch.setattr(model, "generation_config", GenerationConfig.from_dict(fields))
    return ignored_settings(model)


def test_whatever_a_generation_configuration_asks_for_is_named(model, monkeypatch):
    asked = {
        **{"num_beams": 4, "guidance_scale": 1.5, "stop_strings": ["x"], "top_k": 50},
        **{"exponential_decay_length_penalty": [3, 1.1], "penalty_alpha": 0.6, "max_time": 3.0},
        **{"dola_layers": "high", "prompt_lookup_num_tokens": 3, "force_words_ids": [[3]]},
        **{"renormalize_logits": True, "remove_invalid_values": True, "epsilon_cutoff": 0.1},
        **{"length_penalty": 2.0, "repetition_penalty": 1.1, "use_cache": False},
        "a_field_of_tomorrow": 3,
    }
    heeded = {"do_sample": True, "temperature": 0.6, "top_p": 0.9, "eos_token_id": [1, 2]}
    found = ignored_by(model, monkeypatch, **asked, **heeded, watermarking_config={"bias": 2.0})
    assert found.pop("watermarking_config")["bias"] == 2.0
    assert found == asked and json.dumps(found)


def test_what_asks_for_nothing_is_not_named(model, monkeypatch):
    defaults = GenerationConfig._get_default_generation_params() | {"top_k": 0}
    assert ignored_by(model, monkeypatch, **defaults, guidance_scale=1.0, use_mtp=False) == {}
    assert ignored_by(model, monkeypatch) == {}
