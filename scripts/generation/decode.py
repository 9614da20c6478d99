"""The decode engine: one prompt in, one output out, a timestamp a token.

Prefill is the first forward pass over the whole prompt and yields the first token; decoding is
one forward pass a token over a key-value cache.
"""

from __future__ import annotations

import dataclasses
import json
import time
from collections.abc import Callable, Sequence

import torch
from tokenizers.decoders import DecodeStream
from transformers import (
    GenerationConfig,
    LogitsProcessorList,
    PreTrainedModel,
    PreTrainedTokenizerBase,
    TemperatureLogitsWarper,
    TopPLogitsWarper,
)

from generation.steps import Context, Steps

# Told after each token: the output so far, where the new token's text begins, tokens so far.
# Returns whether to stop.
Watcher = Callable[[str, int, int], bool]

# What a generation configuration may say without asking for what is not done here: how to sample
# and for how long is the session's, ends of a sequence are heeded, the rest is about what
# `generate` gives back.
HEEDED = {
    *("do_sample", "temperature", "top_p", "max_length", "max_new_tokens"),
    *("bos_token_id", "eos_token_id", "pad_token_id", "decoder_start_token_id"),
    *("output_attentions", "output_hidden_states", "output_scores", "output_logits"),
    *("return_dict_in_generate", "disable_compile", "transformers_version"),
}


@dataclasses.dataclass(frozen=True)
class Settings:
    """How an output is decoded.

    Attributes:
        max_new_tokens: Limit of the output, in tokens, the end-of-sequence token included.
        temperature: 0 is greedy.
        top_p: Nucleus; read only when sampling.
        seed: Of the sampling.
        forced_length: Go on to `max_new_tokens` whatever the model says: for seeded weights,
            whose end of sequence is chance.
        batch: Copies of the prompt that are decoded together. Greedy copies are alike: the first
            is taken down.
        replay: The output to force, token by token; the model computes as for its own and its
            choice is thrown away.
    """

    max_new_tokens: int
    temperature: float = 0.0
    top_p: float = 1.0
    seed: int = 0
    forced_length: bool = False
    batch: int = 1
    replay: tuple[int, ...] | None = None

    @property
    def limit(self) -> int:
        """The most tokens that there can be."""
        return self.max_new_tokens if self.replay is None else len(self.replay)


@dataclasses.dataclass
class Generation:
    """What one generation was; times are `time.monotonic_ns()`.

    Attributes:
        start_ns: The prompt's tensor is made after this.
        token_ns: When each token was known to the host: the device had finished it.
        end_ns: The end, after the last look of the watcher.
        tokens: The output's token ids.
        text: Their text, without special tokens.
        text_ends: For each token the length of the text up to and with it.
        stop: `end` (of sequence), `length` or `watcher`.
    """

    start_ns: int
    end_ns: int = 0
    token_ns: list[int] = dataclasses.field(default_factory=list)
    tokens: list[int] = dataclasses.field(default_factory=list)
    text: str = ""
    text_ends: list[int] = dataclasses.field(default_factory=list)
    stop: str = ""


@dataclasses.dataclass
class Repeated:
    """The same work over and over in one window; times are `time.monotonic_ns()`.

    Attributes:
        count: How often.
        cpu_ns: Processor time of this process, all threads.
        phase_times_ns: For whole generations, of each (start, first token known, end).
    """

    start_ns: int
    end_ns: int = 0
    count: int = 0
    cpu_ns: int = 0
    phase_times_ns: list[tuple[int, int, int]] = dataclasses.field(default_factory=list)


class Engine:
    """Decodes with any causal language model of transformers, one prompt at a time.

    Args:
        model: In evaluation mode, on its device.
        tokenizer: One with a Rust backend: its decoder streams text in constant time a token.

    Raises:
        ValueError: The tokenizer has no such backend.
    """

    def __init__(self, model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> None:
        self._backend = getattr(tokenizer, "backend_tokenizer", None)
        if self._backend is None:
            raise ValueError(f"the tokenizer {type(tokenizer).__name__} has no Rust backend")
        self._steps = Steps(model)
        self._device = model.device
        self._ends = _end_tokens(model, tokenizer)

    def generate(
        self, prompt: Sequence[int], settings: Settings, watcher: Watcher | None = None
    ) -> Generation:
        """Generates until the model ends, the limit, or the watcher.

        Args:
            prompt: Token ids, at least one.
        """
        pick = _Picker(settings, self._device)
        stream = self._stream(prompt)
        self._synchronize()
        done = Generation(start_ns=time.monotonic_ns())
        with torch.inference_mode():
            context, chosen = self._prefill(prompt, pick, settings)
            self._decode(context, chosen, pick, stream, settings, watcher, done)
        return done

    def repeat_prefill(
        self, prompt: Sequence[int], settings: Settings, window_s: float
    ) -> Repeated:
        """Prefills of the same prompt back to back, each up to its first token, for at least
        `window_s` seconds."""

        def once() -> None:
            _, chosen = self._prefill(prompt, _Picker(settings, self._device), settings)
            int(chosen[0, 0])

        return self._repeat(once, window_s)

    def repeat_decode(self, prompt: Sequence[int], settings: Settings, window_s: float) -> Repeated:
        """The decoding steps of the first `max_new_tokens` tokens but one, again and again from
        the same cache, for at least `window_s` seconds. The prefill before is outside."""
        with torch.inference_mode():
            context, first = self._prefill(prompt, _Picker(settings, self._device), settings)
            filled = self._steps.copied(context)

            def once() -> None:
                pick, stream = _Picker(settings, self._device, taken=1), self._stream(prompt)
                context = self._steps.resumed(filled)
                done = Generation(start_ns=time.monotonic_ns())
                self._decode(context, first, pick, stream, settings, None, done)

            return self._repeat(once, window_s)

    def repeat_generation(
        self, prompt: Sequence[int], settings: Settings, window_s: float
    ) -> Repeated:
        """Whole generations back to back for at least `window_s` seconds, with their phases."""
        phase_times_ns = []

        def once() -> None:
            done = self.generate(prompt, settings)
            phase_times_ns.append((done.start_ns, done.token_ns[0], done.end_ns))

        repeated = self._repeat(once, window_s)
        repeated.phase_times_ns = phase_times_ns
        return repeated

    def first_steps(self, prompt: Sequence[int], count: int, batch: int) -> torch.Tensor:
        """See `agreement.Stepping`."""
        pick = _Picker(Settings(count), self._device)
        with torch.inference_mode():
            context, first = self._steps.prefill(self._ids(prompt, batch))
            kept = self._steps.copied(context)
            rounds = []
            for begun in (context, None):
                context = begun or self._steps.resumed(kept)
                logits = [first]
                with self._steps.decoding():
                    for _ in range(count):
                        chosen = pick(context.ids, logits[-1])
                        logits.append(self._steps.step(context, chosen))
                rounds.append(torch.stack([one[0] for one in logits]))
            return torch.stack(rounds)

    def recomputed(self, tokens: Sequence[int]) -> torch.Tensor:
        """See `agreement.Stepping`."""
        with torch.inference_mode():
            return self._steps.whole(self._ids(tokens, 1))[0]

    def _ids(self, tokens: Sequence[int], batch: int) -> torch.Tensor:
        return torch.tensor([list(tokens)] * batch, device=self._device)

    def _repeat(self, once: Callable[[], None], window_s: float) -> Repeated:
        self._synchronize()
        cpu_ns = time.process_time_ns()
        repeated = Repeated(start_ns=time.monotonic_ns())
        with torch.inference_mode():
            while repeated.end_ns - repeated.start_ns < window_s * 1e9:
                once()
                repeated.count += 1
                repeated.end_ns = time.monotonic_ns()
        repeated.cpu_ns = time.process_time_ns() - cpu_ns
        return repeated

    def _stream(self, prompt: Sequence[int]) -> DecodeStream:
        return DecodeStream(ids=list(prompt), skip_special_tokens=True)

    def _prefill(
        self, prompt: Sequence[int], pick: _Picker, settings: Settings
    ) -> tuple[Context, torch.Tensor]:
        """The context, and the first token, which the device may still be computing."""
        ids = self._ids(prompt, settings.batch)
        context, logits = self._steps.prefill(ids)
        return context, pick(ids, logits)

    def _decode(
        self,
        context: Context,
        chosen: torch.Tensor,
        pick: _Picker,
        stream: DecodeStream,
        settings: Settings,
        watcher: Watcher | None,
        done: Generation,
    ) -> None:
        """Takes down the first token and decodes until the model, the limit or the watcher ends."""
        forced = settings.forced_length or settings.replay is not None
        ends = () if forced else self._ends
        with self._steps.decoding():
            while True:
                # Reading the id waits for the device: no other synchronization is needed.
                token = int(chosen[0, 0])
                done.token_ns.append(time.monotonic_ns())
                done.tokens.append(token)
                new = len(done.text)
                done.text += stream.step(self._backend, token) or ""
                done.text_ends.append(len(done.text))
                if token in ends:
                    done.stop = "end"
                elif watcher is not None and watcher(done.text, new, len(done.tokens)):
                    done.stop = "watcher"
                elif len(done.tokens) >= settings.limit:
                    done.stop = "length"
                else:
                    logits = self._steps.step(context, chosen)
                    chosen = pick(context.ids, logits)
                    continue
                done.end_ns = time.monotonic_ns()
                return

    def _synchronize(self) -> None:
        if self._device.type == "cuda":
            torch.cuda.synchronize(self._device)


class _Picker:
    """Chooses the next token as `model.generate` does for the same temperature, top-p and seed.

    Nothing else shapes the logits: a repetition penalty or the like that a model's generation
    configuration asks for is left out, and `ignored_settings` names it.

    Args:
        taken: How many tokens of a replayed output stand already.
    """

    def __init__(self, settings: Settings, device: torch.device, taken: int = 0) -> None:
        self._forced = None
        if settings.replay is not None:
            self._forced = torch.tensor(settings.replay[taken:], device=device)
            self._place = 0
        self._sample = settings.temperature > 0
        self._warp = LogitsProcessorList()
        if self._sample:
            self._random = torch.Generator(device).manual_seed(settings.seed)
            if settings.temperature != 1:
                self._warp.append(TemperatureLogitsWarper(settings.temperature))
            if settings.top_p < 1:
                self._warp.append(TopPLogitsWarper(settings.top_p))

    def __call__(self, ids: torch.Tensor, logits: torch.Tensor) -> torch.Tensor:
        chosen = self._choice(ids, logits)
        if self._forced is None:
            return chosen
        self._place += 1
        # On the device, like the choice: reading it waits for the forward pass all the same.
        return self._forced[self._place - 1].expand_as(chosen)

    def _choice(self, ids: torch.Tensor, logits: torch.Tensor) -> torch.Tensor:
        if not self._sample:
            return logits.argmax(-1, keepdim=True)
        # In float32, as generate: in bfloat16 the tail of the distribution rounds away.
        probabilities = self._warp(ids, logits.float()).softmax(-1)
        return torch.multinomial(probabilities, 1, generator=self._random)


def ignored_settings(model: PreTrainedModel) -> dict[str, object]:
    """What the model's generation configuration asks for and this engine does not do: any field
    with a value of its own but for those that are heeded, also one that only a later transformers
    or code of the model's own knows."""
    requested = json.loads(model.generation_config.to_json_string(use_diff=False))
    neutral = {
        **GenerationConfig._get_default_generation_params(),
        **{"guidance_scale": 1.0, "use_cache": None, "top_k": None},
    }
    return {
        name: value
        for name, value in requested.items()
        if name not in HEEDED and not name.startswith("_")
        # A cache is used whatever it says.
        if (value is False if name == "use_cache" else value and value != neutral.get(name))
    }


def _end_tokens(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> frozenset[int]:
    """The ids that end a sequence: the generation configuration's, else the tokenizer's."""
    ends = model.generation_config.eos_token_id
    if ends is None:
        ends = tokenizer.eos_token_id
    if ends is None:
        return frozenset()
    return frozenset([ends] if isinstance(ends, int) else ends)
