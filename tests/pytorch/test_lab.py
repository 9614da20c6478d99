"""A session's work on a small model: what the warm-up has met when measuring begins."""

import json

import pytest
import torch
from transformers import LlamaConfig, LlamaForCausalLM

from generation.lab import Lab
from generation.session import Phases
from generation.specification import PhasesSpecification
from generation.workloads import write_tasks
from generation.workloads.nextline import LineTask
from session.loop import Session
from session.specification import parse


@pytest.fixture
def ready(tmp_path, tokenizer):
    """A model of three thousand parameters, as the rule `model` leaves it, and two tasks."""
    config = LlamaConfig(
        hidden_size=16,
        intermediate_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        vocab_size=257,
        max_position_embeddings=256,
    )
    folder = tmp_path / "weights"
    LlamaForCausalLM(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    record = {"name": "tiny", "source": "init", "weights": "weights", "seed": 0}
    (tmp_path / "model.json").write_text(json.dumps(record))
    tasks = [LineTask(f"longcode/{n}", "x = 1\n" * 60, "x = 2", "file.py, line 9") for n in "01"]
    write_tasks(tmp_path / "tasks.jsonl", tasks)
    return tmp_path


@pytest.fixture
def lab_of(ready, document):
    def make(**changes):
        spec = parse(PhasesSpecification, document(**changes), "test")
        return Lab(spec, ready / "model.json", ready / "tasks.jsonl", None, torch.device("cpu"))

    return make


def contexts(lab, monkeypatch):
    """The lengths of cache that the model's decoding steps meet, as they come."""
    seen, forward = [], LlamaForCausalLM.forward

    def watched(self, input_ids, past_key_values=None, **keywords):
        if input_ids.shape[1] == 1:
            seen.append(past_key_values.get_seq_length())
        return forward(self, input_ids=input_ids, past_key_values=past_key_values, **keywords)

    monkeypatch.setattr(LlamaForCausalLM, "forward", watched)
    return seen


@pytest.mark.parametrize("workload", ["longcode", "sweep"])
def test_on_a_gpu_no_window_is_the_first_to_meet_a_length_of_context(lab_of, monkeypatch, workload):
    lab = lab_of(workload=workload)
    # The measured path asks for a GPU only here: the work is the same on a CPU.
    lab._on_gpu = True
    seen = contexts(lab, monkeypatch)
    lab.prepare(print)
    warmed, _ = set(seen), seen.clear()
    for item in lab.items:
        lab.measure(item, None)
    assert seen and set(seen) <= warmed


def test_a_processor_does_not_care_and_is_not_warmed_up_for_it(lab_of, monkeypatch):
    lab = lab_of()
    seen = contexts(lab, monkeypatch)
    lab.prepare(print)
    # The last step of a whole output.
    assert 90 + 98 not in seen


WIDTH = {"at_least": 2, "at_most": 3, "confidence": 0.95, "resolve_periods": 2}


@pytest.fixture
def session(ready, document):
    """Measures a whole session on the processor; gives the folder of its raw data."""

    def make(**changes):
        usual = document()
        metering = usual["metering"] | {"idle_s": 0.2}
        probe = usual["probe"] | changes.pop("probe", {})
        given = document(metering=metering, probe=probe, **changes)
        spec = parse(PhasesSpecification, given, "test")
        study = Phases(spec, ready / "model.json", ready / "tasks.jsonl", None)
        Session(study, spec, given, ready / "partial", ready / "raw").run()
        return ready / "raw"

    return make


def windows_of(raw, *kinds):
    lines = (raw / "windows.jsonl").read_text().splitlines()
    return [w for w in map(json.loads, lines) if w["kind"] in kinds]


def test_outputs_and_probes_have_each_their_number_of_windows(session, capsys):
    # Nothing lasts a thousand periods of the meter: no window has an energy of its own.
    width = WIDTH | {"within": 10.0, "resolve_periods": 1000}
    raw = session(repetitions=width, probe={"repetitions": width})
    assert len(windows_of(raw, "probe")) == 3 * 3
    assert len(windows_of(raw, "generation")) == 2 * 3
    facts = json.loads((raw / "session.json").read_text())
    assert {v["why"] for v in facts["stopped"].values()} == {"at most so many; 3 without an energy"}
    assert capsys.readouterr().err.count("windows and no interval") == 3 + 2
    assert facts["segments"][0]["first_window_s"] > 0


def test_a_probe_that_is_narrow_ends_early_beside_outputs_of_a_fixed_number(session):
    probe = {"window_s": 0.4, "repetitions": WIDTH | {"within": 10.0}}
    raw = session(repetitions=3, probe=probe)
    assert len(windows_of(raw, "probe")) == 3 * 2
    assert len(windows_of(raw, "generation")) == 2 * 3
    stopped = json.loads((raw / "session.json").read_text())["stopped"]
    assert len(stopped) == 3 and {v["why"] for v in stopped.values()} == {"narrow enough"}


def test_the_warm_up_says_whether_the_rate_settled(session, capsys):
    protocol = {
        "stable_within": 1e-9,
        "warmup_max_s": 1.6,
        "settle_s": 0.05,
        "cooldown": {"within_c": 3, "max_s": 1},
    }
    raw = session(protocol=protocol, probe={"prompts": 0})
    warm, *rest = windows_of(raw, "warmup", "settle", "idle")
    assert [window["kind"] for window in rest] == ["settle", "idle"] * 2
    assert warm["stable"] is False and warm["rates_per_s"]
    said = capsys.readouterr().err
    assert said.count("did not settle") == said.count("no cool-down between blocks") == 1
