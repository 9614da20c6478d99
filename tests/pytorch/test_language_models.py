"""The list of language models that a plan goes by is that of the pinned transformers."""

from transformers.models.auto.modeling_auto import MODEL_FOR_CAUSAL_LM_MAPPING_NAMES

from configuration.architectures import LANGUAGE_MODELS


def test_the_list_is_that_of_transformers():
    assert set(LANGUAGE_MODELS) == set(MODEL_FOR_CAUSAL_LM_MAPPING_NAMES)
