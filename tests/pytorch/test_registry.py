"""The models of the registry: their architectures are the published ones, and really compute."""

import json
from pathlib import Path

import pytest
import torch
import yaml
from transformers import AutoConfig, AutoModelForCausalLM

from generation.decode import Engine, Settings
from weights import seeded
from weights.architecture import mismatch

REGISTRY = yaml.safe_load((Path(__file__).parents[2] / "config/models.yaml").read_text())
STUDIED = {name: entry for name, entry in REGISTRY.items() if "published" in entry}


def config_of(name, **changes):
    architecture = {**REGISTRY[name]["architecture"], **changes}
    return AutoConfig.for_model(architecture.pop("model_type"), **architecture)


def test_all_ten_models_of_the_study_are_there():
    assert len(STUDIED) == 10
    assert all(entry["source"] == "hub" and entry["licence"] for entry in STUDIED.values())


@pytest.mark.parametrize("name", STUDIED)
def test_an_architecture_has_the_published_number_of_parameters(name):
    with torch.device("meta"):
        model = AutoModelForCausalLM.from_config(config_of(name))
    # Of the parameters that are tied, one is counted.
    assert sum(p.numel() for p in model.parameters()) == REGISTRY[name]["parameters"]


@pytest.mark.parametrize("name", STUDIED)
def test_an_architecture_has_no_field_that_transformers_does_not_know(name, tmp_path):
    seeded.prepare({**REGISTRY[name], "seed": 0}, tmp_path, None)
    assert mismatch(REGISTRY[name]["architecture"], tmp_path / "weights") is None


@pytest.mark.parametrize("name", STUDIED)
def test_an_architecture_survives_its_config_file_and_decodes(name, tokenizer, tmp_path):
    """Two layers of it and few words, otherwise true: rotary embedding, heads, cache."""
    small = {"num_hidden_layers": 2, "vocab_size": 512, "pad_token_id": 0}
    config_of(name, **small).save_pretrained(tmp_path)
    told = json.loads((tmp_path / "config.json").read_text())
    assert told["num_hidden_layers"] == 2
    config = AutoConfig.from_pretrained(tmp_path)
    torch.manual_seed(0)
    model = AutoModelForCausalLM.from_config(config, dtype=torch.bfloat16).eval()
    engine = Engine(model, tokenizer)
    settings = Settings(4, forced_length=True)
    done = engine.generate([5, 6, 7, 8], settings)
    assert len(done.tokens) == 4
    assert engine.repeat_decode([5, 6, 7, 8], settings, 0.01).count >= 1
