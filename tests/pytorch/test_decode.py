"""The decode engine against `model.generate`, on several architectures."""

import pytest
import torch

from generation.decode import Engine, Settings

PROMPT = [5, 17, 42, 99, 3, 17, 200, 7, 7, 31, 64]


def generate(model, settings: Settings) -> list[int]:
    """What transformers makes of the same settings, seed and prompt."""
    torch.manual_seed(settings.seed)
    sampling = (
        {"temperature": settings.temperature, "top_p": settings.top_p, "top_k": 0}
        if settings.temperature
        else {}
    )
    output = model.generate(
        torch.tensor([PROMPT]),
        attention_mask=torch.ones(1, len(PROMPT), dtype=torch.long),
        max_new_tokens=settings.max_new_tokens,
        do_sample=settings.temperature > 0,
        **sampling,
    )
    return output[0, len(PROMPT) :].tolist()


@pytest.mark.parametrize(
    "settings",
    [
        Settings(40),
        Settings(40, temperature=0.8, top_p=0.9, seed=1),
        Settings(40, temperature=1.0, top_p=1.0, seed=2),
        Settings(1),
    ],
    ids=["greedy", "nucleus", "plain sampling", "one token"],
)
def test_tokens_equal_those_of_generate(model, tokenizer, settings):
    expected = generate(model, settings)
    assert Engine(model, tokenizer).generate(PROMPT, settings).tokens == expected


def test_the_same_seed_gives_the_same_tokens_and_another_others(model, tokenizer):
    engine = Engine(model, tokenizer)
    # Hot, so that these sharp random models do not give every seed the same tokens.
    first, again, other = (
        engine.generate(PROMPT, Settings(40, temperature=5.0, seed=seed)).tokens
        for seed in (1, 1, 2)
    )
    assert first == again
    assert first != other


def test_the_text_is_that_of_the_tokens(model, tokenizer):
    done = Engine(model, tokenizer).generate(PROMPT, Settings(60, temperature=5.0, seed=4))
    # A character cut off by the limit has no text yet.
    assert (
        tokenizer.decode(done.tokens, skip_special_tokens=True)
        .rstrip("�")
        .startswith(done.text.rstrip("�"))
    )
    assert done.text_ends == sorted(done.text_ends)
    assert done.text_ends[-1] == len(done.text)
    assert len(done.text_ends) == len(done.tokens)


def test_a_timestamp_a_token_between_start_and_end(model, tokenizer):
    done = Engine(model, tokenizer).generate(PROMPT, Settings(20))
    assert len(done.token_ns) == len(done.tokens)
    times = [done.start_ns, *done.token_ns, done.end_ns]
    assert times == sorted(times)


def ends_at_once(model, tokenizer, monkeypatch, token):
    monkeypatch.setattr(model.generation_config, "eos_token_id", token)
    return Engine(model, tokenizer)


def test_the_model_ends_by_itself(model, tokenizer, monkeypatch):
    free = Engine(model, tokenizer).generate(PROMPT, Settings(12, forced_length=True)).tokens
    engine = ends_at_once(model, tokenizer, monkeypatch, [free[5], 256])
    done = engine.generate(PROMPT, Settings(12))
    assert done.stop == "end"
    assert done.tokens == free[: free.index(free[5]) + 1]
    assert done.tokens == generate(model, Settings(12))


def test_a_forced_length_goes_on_past_the_end(model, tokenizer, monkeypatch):
    first = Engine(model, tokenizer).generate(PROMPT, Settings(2, forced_length=True)).tokens[0]
    engine = ends_at_once(model, tokenizer, monkeypatch, first)
    done = engine.generate(PROMPT, Settings(9, forced_length=True))
    assert (done.stop, len(done.tokens)) == ("length", 9)


def test_a_watcher_sees_every_token_and_can_stop(model, tokenizer):
    seen = []

    def watch(text, new, tokens):
        seen.append((text, new, tokens))
        return tokens == 4

    engine = Engine(model, tokenizer)
    whole = engine.generate(PROMPT, Settings(20, forced_length=True))
    done = engine.generate(PROMPT, Settings(20, forced_length=True), watch)
    assert done.stop == "watcher"
    assert done.tokens == whole.tokens[:4]
    assert [tokens for _, _, tokens in seen] == [1, 2, 3, 4]
    assert [text[:new] for text, new, _ in seen[1:]] == [text for text, _, _ in seen[:-1]]


def test_an_output_that_ends_is_not_watched_any_more(model, tokenizer, monkeypatch):
    first = Engine(model, tokenizer).generate(PROMPT, Settings(2, forced_length=True)).tokens[0]
    engine = ends_at_once(model, tokenizer, monkeypatch, first)
    looked = []
    done = engine.generate(PROMPT, Settings(9), lambda *seen: looked.append(seen) or True)
    assert (done.stop, done.tokens, looked) == ("end", [first], [])


def test_a_tokenizer_that_cannot_stream_is_refused(model):
    class Slow:
        eos_token_id = 0

    with pytest.raises(ValueError, match="Slow"):
        Engine(model, Slow())
