"""The programs of the study of runtimes, one after the other, each in its own environment."""

import json
import os
import subprocess
from pathlib import Path

import pytest
import yaml

from configuration import validate
from configuration.runtimes import plan_runtimes, runtime_spec
from runtimes.base import backend_names, load_backend

ROOT = Path(__file__).parents[2]
SCHEMAS = ROOT / "config/schemas"


def schema(name):
    return yaml.safe_load((SCHEMAS / name).read_text())


@pytest.fixture
def document():
    """A session's specification as its program is given it."""
    return {
        "session": "n__noting__cpu__r1",
        "campaign": "test",
        "model": "n",
        "entry": {"source": "init", "licence": "none"},
        "round": 1,
        "system": "noting",
        "origin": None,
        "title": "Noting",
        "provider": "cpu",
        "providers": "named",
        "device": "cpu",
        "threads": 1,
        "precision": "float32",
        "allocator": "default",
        "batch_sizes": [1, 64],
        "repetitions": 1,
        "seed": 0,
        "window_s": 0.02,
        "warmup_s": 0,
        "protocol": {"stable_within": None, "warmup_max_s": 0, "settle_s": 0, "cooldown": None},
        "metering": {"period_s": 0.02, "idle_s": 0, "cpu_rated_power_w": None, "wall": None},
        "parity_tolerance": 1e-5,
        "device_tolerance": 1e-3,
    }


class Chain:
    """What the rules run for one model, by hand.

    Attributes:
        environ: Of every program.
        said: What the last program wrote.
    """

    def __init__(self, folder, python, onnxruntime):
        self.folder, self.python, self.onnxruntime = folder, python, onnxruntime
        self.environ = {**os.environ, "PYTHONPATH": "", "OMP_NUM_THREADS": "1"}
        self.said = ""

    def program(self, python, name, *options, check=True):
        done = subprocess.run(
            [python, ROOT / "scripts" / name, *map(str, options)],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            env=self.environ,
            cwd=self.folder,
            timeout=300,
        )
        self.said = done.stdout + done.stderr
        assert not check or done.returncode == 0, self.said
        return done

    def prepared(self, check=True, **entry):
        """model.json and network.json of an entry; its last program."""
        self.entry = {"licence": "none", "seed": 0, "prompt": "completion", **entry}
        home = self.onnxruntime if entry["source"] == "onnx" else self.python
        ready, out = self.folder / "models/own/model.json", self.folder / "networks/network.json"
        ready.parent.parent.mkdir(exist_ok=True)
        told = json.dumps(self.entry)
        options = ("--name", "own", "--entry", told, "--out", ready)
        done = self.program(home, "model.py", *options, check=check)
        if done.returncode != 0:
            return done
        length = entry.get("sequence_length")
        more = () if length is None else ("--sequence-length", length)
        return self.program(home, "network.py", "--model", ready, "--out", out, *more, check=check)

    @property
    def network(self):
        return json.loads((self.folder / "networks/network.json").read_text())

    def files(self, framework):
        folder = self.folder / "networks" / framework
        folder.mkdir(exist_ok=True)
        names = ("conversion.json", "model.onnx", "outputs.npz", "verified.json")
        return [folder / name for name in names]

    def converted(self, framework):
        """conversion.json and verified.json of a framework, or of `file`."""
        network = self.folder / "networks/network.json"
        conversion, onnx, outputs, verified = self.files(framework)
        common = ("--network", network, "--onnx", onnx, "--outputs", outputs)
        home = self.onnxruntime if self.entry["source"] == "onnx" else self.python
        self.program(home, "convert.py", *common, "--backend", framework, "--out", conversion)
        self.program(
            *(self.onnxruntime, "verify.py", *common),
            *("--conversion", conversion, "--out", verified),
        )
        return json.loads(conversion.read_text()), json.loads(verified.read_text())

    def sessions(self, **study):
        """The sessions that are planned for the model, by name, and the configuration."""
        document = {
            "campaign": "own",
            "device": "cpu",
            "metering": {"idle_s": 0.2},
            "protocol": {"stable_within": None, "settle_s": 0},
            "runtimes": {
                **{"models": ["own"], "providers": ["cpu"], "rounds": 1, "repetitions": 1},
                **{"batch_sizes": [1, 2], "window_s": 0.1, "warmup_s": 0, "threads": 1},
                **{"systems": ["pytorch", "onnxruntime"], "onnx_from": ["pytorch"]},
                **study,
            },
        }
        self.config = validate(document, schema("config.schema.yaml"), "configuration")
        entry = {key: value for key, value in self.entry.items() if key != "prompt"}
        self.models = validate({"own": entry}, schema("models.schema.yaml"), "models.yaml")
        self.backends = {name: load_backend(name) for name in backend_names()}
        planned = plan_runtimes(self.config, self.models, self.backends, set(self.backends), gpus=0)
        return {session.name: session for session in planned}

    def measured(self, session):
        """session.json of a planned session, after its program."""
        spec = runtime_spec(session, self.config, self.models, self.backends)
        conversion, onnx, _, verified = self.files(session.framework)
        options = ("--network", self.folder / "networks/network.json", "--conversion", conversion)
        if session.origin is not None:
            options += ("--verified", verified, "--onnx", onnx)
        out = self.folder / "raw" / session.name
        home = self.onnxruntime if session.origin is not None else self.python
        self.program(
            *(home, "measure_runtimes.py", "--spec", spec, *options),
            *("--out", out, "--partial", self.folder / "partial"),
        )
        return json.loads((out / "session.json").read_text())


@pytest.fixture
def chain(pytorch_python, onnxruntime_python, tmp_path):
    return Chain(tmp_path, pytorch_python, onnxruntime_python)
