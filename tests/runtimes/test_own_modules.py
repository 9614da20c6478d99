"""PyTorch modules that a function of the user's makes, through the programs that measure them."""

import hashlib
import json
import subprocess
from pathlib import Path

import pytest

SCRIPTS = Path(__file__).parents[2] / "scripts"

# Two inputs of a batch and one without, two outputs, a neighbour, a weight that no state_dict has.
MODULE = """
import torch
from neighbour import WIDTH


class Tagger(torch.nn.Module):
    def __init__(self, width):
        super().__init__()
        self.embedding = torch.nn.Embedding(11, width)
        self.head, self.aux = torch.nn.Linear(width, 3), torch.nn.Linear(width, 5)
        self.kept_apart = torch.randn(width)

    def forward(self, tokens, mask, scale):
        x = self.embedding(tokens) * mask.unsqueeze(-1) * scale + self.kept_apart
        x = x.mean(1)
        return {"count": tokens, "scores": self.head(x), "more": [self.aux(x)]}


def tagger(width=WIDTH):
    tokens = torch.tensor([[3, 10, 0, 1], [1, 2, 3, 4]])
    mask = torch.ones(2, 4, dtype=torch.bool)
    return Tagger(width), {"tokens": tokens, "mask": mask, "scale": torch.tensor(2.0)}


def plain():
    return torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(12, 2, dtype=torch.float64))


def without_module():
    return torch.zeros(2)


def ends():
    raise SystemExit("I leave")


class Branches(torch.nn.Module):
    def forward(self, x):
        return x * 2 if float(x.sum()) > 0 else x * 3


class Noisy(torch.nn.Module):
    def forward(self, x):
        return x + torch.randn_like(x)


class Nothing(torch.nn.Module):
    def forward(self, x):
        return torch.log(-x.abs() - 1)
"""


@pytest.fixture
def own(chain):
    """The user's file."""
    path = chain.folder / "mine" / "own.py"
    path.parent.mkdir()
    path.write_text(MODULE)
    (path.parent / "neighbour.py").write_text("WIDTH = 8\n")
    return path


def test_a_module_of_a_file_is_measured_in_pytorch_and_its_export_in_onnx_runtime(chain, own):
    chain.prepared(source="torch", path=str(own), factory="tagger")
    network = chain.network
    assert network["inputs"] == {
        "tokens": {"shape": [4], "dtype": "int64", "below": 11},
        "mask": {"shape": [4], "dtype": "bool"},
        "scale": {"shape": [], "dtype": "float32", "batch": False},
    }
    assert network["output"] == "scores"
    assert "of its outputs count, scores, more.0 it is scores that is compared" in chain.said
    conversion, verified = chain.converted("pytorch")
    assert max(conversion["parity"]["relative_error"]) < 1e-6
    assert max(verified["parity"]["relative_error"]) < 1e-6
    assert conversion["export"]["operators"]["Gemm"] == 2, "what is not compared is computed too"
    sessions = chain.sessions(systems=["pytorch", "tensorflow", "onnxruntime"])
    assert sorted(sessions) == [
        "own__onnxruntime.pytorch__cpu__r1",
        "own__pytorch__cpu__r1",
        "own__tensorflow__cpu__r1",
    ]
    for name in ("own__pytorch__cpu__r1", "own__onnxruntime.pytorch__cpu__r1"):
        facts = chain.measured(sessions[name])
        assert facts["excluded"] is None, facts
        assert [p["against"] for p in facts["parity"] if p["pair"] == "device"] == ["PyTorch"]
        windows = (chain.folder / "raw" / name / "windows.jsonl").read_text().splitlines()
        batches = [w["batch"] for w in map(json.loads, windows) if w["kind"] == "inference"]
        assert sorted(batches) == [1, 2]
    chain.converted("tensorflow")
    facts = chain.measured(sessions["own__tensorflow__cpu__r1"])
    assert facts["excluded"]["stage"] == "absent" and facts["parity"] == []
    assert "source: torch" in facts["excluded"]["why"]
    # Other code under the same name is another network.
    own.write_text(own.read_text().replace("x.mean(1)", "x.sum(1)"))
    conversion, _ = chain.converted("pytorch")
    assert "has changed since the network was made" in conversion["parity"]["why"]


def test_weights_come_from_a_file_and_inputs_from_the_entry(chain, own):
    save = (
        "import sys, torch; sys.path.insert(0, sys.argv[1]); import own;"
        "torch.manual_seed(7); torch.save(own.plain().state_dict(), sys.argv[2])"
    )
    weights = own.parent / "weights.pt"
    subprocess.run([chain.python, "-c", save, own.parent, weights], check=True)
    entry = {"source": "torch", "path": str(own), "factory": "plain"}
    entry["inputs"] = {"picture": {"shape": [3, 2, 2], "range": [0, 1]}}
    chain.prepared(**entry, weights=str(weights))
    loaded = chain.network
    assert loaded["inputs"]["picture"] == {"shape": [3, 2, 2], "dtype": "float32", "range": [0, 1]}
    chain.prepared(**entry)
    seeded = chain.network
    chain.prepared(**entry)
    assert chain.network["sha256"] == seeded["sha256"] != loaded["sha256"]
    chain.prepared(**entry | {"seed": 1})
    assert chain.network["sha256"] != seeded["sha256"]


INPUTS = {"x": {"shape": [4]}}
REFUSED = {
    "no such function": ({"factory": "tager"}, ["has no attribute 'tager'"]),
    "no module": ({"factory": "without_module"}, ["returned a Tensor", "torch.nn.Module"]),
    "it ends": ({"factory": "ends"}, ["SystemExit: I leave"]),
    "a wrong argument": ({"factory": "tagger", "kwargs": {"widht": 3}}, ["widht"]),
    "nothing says what it reads": ({"factory": "plain"}, ["nothing says what it reads"]),
    "another shape": ({"factory": "plain", "inputs": INPUTS}, ["cannot compute on", "[2, 4]"]),
    "no such input": (
        {"factory": "tagger", "inputs": {"token": {"below": 3}}},
        ["no 'token' among the example inputs (tokens, mask, scale)"],
    ),
    "no such output": ({"factory": "tagger", "output": "score"}, ["no 'score'", "scores"]),
    "two ways": (
        {"factory": "tagger", "inputs": {"tokens": {"below": 3, "value": 1}}},
        ["inputs.tokens", "value and below"],
    ),
    "no numbers": ({"factory": "Nothing", "inputs": INPUTS}, ["not all numbers"]),
    "no package": (
        {"path": None, "factory": "no_such_package:f"},
        ["No module named 'no_such_package'", "packages:"],
    ),
}


def code(path):
    return {"path": str(path), "sha256": hashlib.sha256(path.read_bytes()).hexdigest()}


def test_what_cannot_be_built_or_run_is_one_line(chain, own):
    """In one process: PyTorch takes seconds to import."""
    cases = {
        name: {"source": "torch", "name": "own", "seed": 0, "weights": None, **entry}
        | {"code": None if "path" in entry else code(own)}
        for name, (entry, _) in REFUSED.items()
    }
    program = (
        "import json, sys\nfrom pathlib import Path\nfrom weights import WeightsError\n"
        "from weights.encoders import write_network\n"
        "for name, entry in json.loads(sys.argv[1]).items():\n"
        "    Path('model.json').write_text(json.dumps(entry))\n"
        "    try:\n        write_network(Path('model.json'), None, Path('out/n.json'), 0)\n"
        "    except WeightsError as error:\n        print(json.dumps([name, str(error)]))\n"
    )
    chain.environ["PYTHONPATH"] = str(own.parents[0]) + ":" + str(SCRIPTS)
    done = subprocess.run(
        [chain.python, "-c", program, json.dumps(cases)],
        capture_output=True,
        text=True,
        env=chain.environ,
        cwd=chain.folder,
        check=True,
    )
    said = dict(json.loads(line) for line in done.stdout.splitlines())
    assert not (chain.folder / "out").exists()
    for name, (_, words) in REFUSED.items():
        assert said[name].startswith("own: ") and "\n" not in said[name]
        assert [word for word in words if word not in said[name]] == [], said[name]


@pytest.mark.parametrize(
    ("factory", "parity", "export"),
    [("Branches", None, "torch.onnx cannot export it"), ("Noisy", "differ", None)],
)
def test_what_cannot_be_exported_or_repeated_says_why(chain, own, factory, parity, export):
    chain.prepared(source="torch", path=str(own), factory=factory, inputs=INPUTS)
    conversion, verified = chain.converted("pytorch")
    if export is not None:
        assert export in conversion["export"]["why"]
        assert verified["parity"]["why"] == conversion["export"]["why"]
        assert max(conversion["parity"]["relative_error"]) == 0
    if parity is not None:
        assert max(conversion["parity"]["relative_error"]) > 1e-3
