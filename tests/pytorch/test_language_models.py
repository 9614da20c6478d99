"""The list of language models that a plan goes by is that of the pinned transformers."""

from pathlib import Path

from transformers.models.auto.modeling_auto import MODEL_FOR_CAUSAL_LM_MAPPING_NAMES

LISTED = Path(__file__).parents[2] / "scripts/configuration/language_models.txt"


def test_the_list_is_that_of_transformers():
    assert set(LISTED.read_text(encoding="utf-8").split()) == set(MODEL_FOR_CAUSAL_LM_MAPPING_NAMES)
