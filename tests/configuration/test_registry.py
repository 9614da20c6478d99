"""The registry as a configuration sees it: seeded twins, and copies of the hub."""

from pathlib import Path

import pytest
import yaml

from configuration import ConfigurationError, validate
from configuration.registry import check_keys, check_user_module, with_copies, with_twins

CONFIG = Path(__file__).parents[2] / "config"
SCHEMA = yaml.safe_load((CONFIG / "schemas/models.schema.yaml").read_text())
SHIPPED = validate(
    yaml.safe_load((CONFIG / "models.yaml").read_text()), SCHEMA, "config/models.yaml"
)
# The names of the tables of arXiv 2602.05712.
PUBLISHED = {
    *("CodeLlama-7B", "Qwen2.5-Coder-7B", "DeepSeek-Coder-6.7B", "CodeGemma-7B", "CodeQwen1.5-7B"),
    *("NextCoder-7B", "Phi-3.5", "Phi-4", "Qwen3-4B", "Qwen2.5-Coder-3B"),
}
HUB = {
    "source": "hub",
    "licence": "MIT",
    "prompt": "chat",
    "repo": "owner/name",
    "revision": "main",
    "sha256": {"model.safetensors": "0" * 64},
    "architecture": {"model_type": "llama"},
    "parameters": 7,
    "published": "Name-7B",
    "seed": 0,
}


def test_an_entry_with_an_architecture_has_a_twin_under_seeded_weights():
    models = with_twins({"one": HUB})
    assert models["one"] == HUB
    assert models["one-init"] == {
        "source": "init",
        "licence": "none (random weights)",
        "prompt": "completion",
        "tokenizer": "smollm2-135m-instruct",
        "architecture": {"model_type": "llama"},
        "parameters": 7,
        "published": "Name-7B",
        "seed": 0,
    }
    validate(models, SCHEMA, "models.yaml")


def test_a_twin_borrows_the_tokenizer_that_its_entry_names_and_an_encoder_none():
    assert with_twins({"one": {**HUB, "tokenizer": "two"}})["one-init"]["tokenizer"] == "two"
    encoder = with_twins({"one": {**HUB, "task": "feature-extraction", "sequence_length": 64}})
    assert "tokenizer" not in encoder["one-init"]
    assert encoder["one-init"]["sequence_length"] == 64


def test_an_entry_that_is_written_wins_over_a_twin_and_comes_before_it():
    written = {"source": "init", "licence": "mine", "architecture": {"model_type": "gemma"}}
    models = with_twins({"two": HUB, "one": HUB, "one-init": written})
    assert models["one-init"] == written
    assert list(models) == ["two", "one", "one-init", "two-init"]


def test_what_has_no_architecture_or_is_seeded_already_has_no_twin():
    bare = {key: value for key, value in HUB.items() if key != "architecture"}
    seeded = {"source": "init", "licence": "none", "architecture": {"model_type": "llama"}}
    assert set(with_twins({"bare": bare, "seeded": seeded})) == {"bare", "seeded"}


def test_a_model_that_is_in_the_folder_of_copies_is_taken_from_there(tmp_path):
    (tmp_path / "owner" / "name").mkdir(parents=True)
    other = {**HUB, "repo": "owner/other"}
    package = {"source": "package", "repo": "owner/name"}
    models = {"one": HUB, "other": other, "package": package}
    found = with_copies(models, str(tmp_path), Path.is_dir)
    assert found["one"]["source"] == "folder"
    assert found["one"]["path"] == str(tmp_path / "owner" / "name")
    assert found["one"]["sha256"] == HUB["sha256"] and "revision" not in found["one"]
    assert found["other"] == other and found["package"] == package
    validate({"one": found["one"]}, SCHEMA, "models.yaml")
    assert with_copies(models, None, Path.is_dir) == models


def test_the_shipped_registry_has_the_ten_models_of_the_study_and_their_twins():
    studied = {name: entry for name, entry in SHIPPED.items() if "published" in entry}
    assert {entry["published"] for entry in studied.values()} == PUBLISHED
    assert {entry["prompt"] for entry in studied.values()} == {"completion"}
    models = with_twins(SHIPPED)
    for name, entry in studied.items():
        assert models[f"{name}-init"]["architecture"] == entry["architecture"]
        assert models[f"{name}-init"]["tokenizer"] in SHIPPED


def test_the_campaign_at_scale_still_finds_its_model():
    """Published under this name when it was an entry of its own."""
    assert with_twins(SHIPPED)["qwen2.5-coder-7b-init"]["architecture"] == {
        "model_type": "qwen2",
        "hidden_size": 3584,
        "intermediate_size": 18944,
        "num_hidden_layers": 28,
        "num_attention_heads": 28,
        "num_key_value_heads": 4,
        "max_position_embeddings": 32768,
        "rms_norm_eps": 1e-06,
        "rope_parameters": {"rope_type": "default", "rope_theta": 1000000.0},
        "tie_word_embeddings": False,
        "vocab_size": 152064,
    }


TORCH = {"source": "torch", "licence": "MIT", "factory": "timm:create_model"}
ONNX = {"source": "onnx", "licence": "MIT", "path": "~/m.onnx"}
FOLDER = {"source": "folder", "licence": "MIT", "path": "~/m"}


def check(entry):
    """The registry of one entry, as the workflow checks it."""
    models = validate({"one": entry}, SCHEMA, "models.yaml")
    check_keys({"one": entry}, SCHEMA, "models.yaml")
    check_user_module("one", models["one"])


@pytest.mark.parametrize(
    "entry",
    [
        {**TORCH, "kwargs": {"model_name": "x"}, "packages": ["timm==1.0.31"], "output": 1},
        {**TORCH, "factory": "make", "path": "$HOME/m.py", "weights": "w.pt", "sha256": "0" * 64},
        {**TORCH, "inputs": {"x": {"shape": [], "dtype": "bool", "batch": False}}},
        {**TORCH, "inputs": {"x": {"shape": [3], "range": [-1, 1]}, "y": {"value": 1}}},
        {**ONNX, "inputs": {"ids": {"shape": [8], "below": 9}}, "output": "logits"},
        {**ONNX, "sha256": {"m.onnx": "0" * 64, "m.bin": "0" * 64}},
    ],
)
def test_a_model_of_ones_own(entry):
    check(entry)
    assert list(with_twins({"one": entry})) == ["one"]


@pytest.mark.parametrize(
    ("entry", "words"),
    [
        ({**TORCH, "factory": "resnet18"}, ["one.factory", "names no module", "MODULE:FUNCTION"]),
        ({**TORCH, "path": "m.py"}, ["one.factory", "beside the file of path"]),
        ({**TORCH, "factory": "a b:c"}, ["one.factory", "MODULE:FUNCTION or FUNCTION"]),
        ({**TORCH, "task": "image-classification"}, ["one.task", "'torch' does not take it"]),
        ({**TORCH, "sha256": "0" * 64}, ["one.sha256", "`weights`, which is not given"]),
        ({**TORCH, "packages": ["timm"]}, ["one.packages.0", "NAME==VERSION"]),
        ({**TORCH, "inputs": {"x": {"shape": [0]}}}, ["inputs.x.shape.0", "at least 1"]),
        ({**TORCH, "inputs": {"x": {"shap": [3]}}}, ["unknown key 'one.inputs.x.shap'", "shape"]),
        ({**TORCH, "inputs": {"x": {"dtype": "float"}}}, ["inputs.x.dtype", "float32"]),
        ({"source": "torch", "licence": "MIT"}, ["'factory' is missing"]),
        ({"source": "onnx", "licence": "MIT"}, ["'path' is missing"]),
        ({**ONNX, "factory": "a:b"}, ["one.factory", "'onnx' does not take it"]),
        ({**ONNX, "sequence_length": 8}, ["one.sequence_length", "'onnx' does not take it"]),
        ({**FOLDER, "inputs": {"x": {"shape": [3]}}}, ["one.inputs", "'folder' does not take it"]),
    ],
)
def test_a_model_of_ones_own_that_is_wrong_is_one_line(entry, words):
    with pytest.raises(ConfigurationError) as caught:
        check(entry)
    line = str(caught.value)
    assert "\n" not in line and [word for word in words if word not in line] == [], line
