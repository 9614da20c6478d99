"""An experiment of the shipped registry, and raw data of its sessions as a run leaves them."""

import functools
import json
from pathlib import Path

import pytest

from configuration.campaign import Campaign
from configuration.load import load_experiment

ROOT = Path(__file__).parents[2]
PHASES = {"models": ["smollm2-135m-instruct"], "workloads": ["humaneval-0shot", "sweep"]}
RUNTIMES = {
    "models": ["mobilenetv2-init"],
    "systems": ["pytorch", "onnxruntime"],
    "onnx_from": ["pytorch"],
    "providers": ["cpu"],
}


def written(**keys):
    """A configuration as a user writes it: both studies, two rounds."""
    base = {
        "campaign": "mine",
        "device": "cpu",
        "models_file": str(ROOT / "config" / "models.yaml"),
        "studies": ["runtimes", "phases"],
        "phases": {**PHASES, "rounds": 2, **keys.pop("phases", {})},
        "runtimes": {**RUNTIMES, "rounds": 2, **keys.pop("runtimes", {})},
    }
    return {**base, **keys}


def load(**keys):
    """The experiment of keys of the configuration; nothing changes one."""
    return _load(json.dumps(written(**keys)))


@functools.cache
def _load(text):
    return load_experiment(json.loads(text), ROOT, ROOT / "results", gpus=0)


@pytest.fixture
def campaign(tmp_path):
    """The campaign of keys of the configuration, over the results of this test."""

    def make(**keys):
        return Campaign(load(**keys), tmp_path / "results")

    return make


def measure(campaign, *names, excluded=None, **changed):
    """Leaves raw data of planned sessions, or of any other by its name."""
    sessions = {s.name: s for each in campaign.experiment.sessions.values() for s in each}
    for number, name in enumerate(names):
        spec = json.loads(campaign.spec(sessions[name])) if name in sessions else {"session": name}
        folder = campaign.recorded.folder(name)
        folder.mkdir(parents=True)
        window = {"start_ns": 0, "end_ns": 60_000_000_000}
        (folder / "windows.jsonl").write_text(json.dumps(window) + "\n")
        (folder / "trace.csv").write_text("a,b\n")
        (folder / "events.jsonl").touch()
        segment = {"started_utc": "now", "process_start_ns": hash(name) + number}
        facts = {"spec": {**spec, **changed}, "segments": [segment], "excluded": excluded}
        (folder / "session.json").write_text(json.dumps(facts))
