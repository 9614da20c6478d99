"""Replay, batches, and the same work over and over in one window."""

import pytest
import torch

from generation.decode import Engine, Settings

PROMPT = [5, 17, 42, 99, 3, 17, 200, 7, 7, 31, 64]
OTHER = (9, 250, 1, 77, 0, 12)


def test_a_replayed_output_is_that_output_whatever_the_model_would_say(model, tokenizer):
    engine = Engine(model, tokenizer)
    assert engine.generate(PROMPT, Settings(6)).tokens != list(OTHER)
    done = engine.generate(PROMPT, Settings(3, replay=OTHER))
    assert done.tokens == list(OTHER)
    assert done.stop == "length"
    assert len(done.token_ns) == len(OTHER)


def test_a_replay_puts_its_tokens_before_the_model(model, tokenizer, monkeypatch):
    seen = []
    forward = model.forward

    def watched(*args, input_ids, **keywords):
        seen.append(input_ids.tolist())
        return forward(*args, input_ids=input_ids, **keywords)

    monkeypatch.setattr(model, "forward", watched)
    Engine(model, tokenizer).generate(PROMPT, Settings(9, replay=OTHER))
    assert seen == [[PROMPT], *([[token]] for token in OTHER[:-1])]


def test_a_batch_of_copies_says_what_one_says(model, tokenizer):
    engine = Engine(model, tokenizer)
    alone = engine.generate(PROMPT, Settings(20)).tokens
    assert engine.generate(PROMPT, Settings(20, batch=3)).tokens == alone


def test_repeated_decoding_steps_are_those_of_the_generation(model, tokenizer, monkeypatch):
    """Each time over, the model is given the very tokens and cache lengths of the generation."""
    settings = Settings(12, forced_length=True)
    engine = Engine(model, tokenizer)
    tokens = engine.generate(PROMPT, settings).tokens
    seen, forward = [], model.forward

    def watched(*args, input_ids, past_key_values, **keywords):
        seen.append((input_ids[0, -1].item(), past_key_values.get_seq_length()))
        return forward(*args, input_ids=input_ids, past_key_values=past_key_values, **keywords)

    monkeypatch.setattr(model, "forward", watched)
    repeated = engine.repeat_decode(PROMPT, settings, 0.05)
    steps = [(token, len(PROMPT) + n) for n, token in enumerate(tokens[:-1])]
    assert repeated.count >= 1
    assert seen == [(PROMPT[-1], 0), *(steps * repeated.count)]


def test_repeated_prefills_give_the_model_the_prompt_and_nothing_else(
    model, tokenizer, monkeypatch
):
    seen, forward = [], model.forward

    def watched(*args, input_ids, past_key_values, **keywords):
        seen.append((input_ids.tolist(), past_key_values.get_seq_length()))
        return forward(*args, input_ids=input_ids, past_key_values=past_key_values, **keywords)

    monkeypatch.setattr(model, "forward", watched)
    repeated = Engine(model, tokenizer).repeat_prefill(PROMPT, Settings(1), 0.05)
    assert seen == [([PROMPT], 0)] * repeated.count


@pytest.mark.parametrize("what", ["repeat_prefill", "repeat_decode", "repeat_generation"])
def test_a_window_lasts_as_long_as_asked_and_ends_with_its_last_work(model, tokenizer, what):
    repeated = getattr(Engine(model, tokenizer), what)(PROMPT, Settings(4), 0.1)
    assert repeated.end_ns - repeated.start_ns >= 0.1e9
    assert repeated.count >= 1
    for start, first, end in repeated.phase_times_ns:
        assert repeated.start_ns <= start < first <= end <= repeated.end_ns
    assert len(repeated.phase_times_ns) == (repeated.count if what == "repeat_generation" else 0)


def test_forcing_needs_no_gradient(model, tokenizer):
    Engine(model, tokenizer).repeat_decode(PROMPT, Settings(3), 0.01)
    assert torch.is_grad_enabled()
