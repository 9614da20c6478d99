"""What a session of the study of phases measures, and in which order. Pure: no model, no device."""

from __future__ import annotations

import dataclasses
import random
from collections.abc import Iterable, Mapping, Sequence

from generation.specification import BenchmarkSpecification, PhasesSpecification, SweepSettings
from metering.cells import cell_of
from session.specification import ByWidth, Repetitions
from session.stopping import most_windows

# What a probe repeats; see `decode.Engine`.
PROBED = ("prefill", "decode", "generation")
# The shortest prompt of a sweep, in tokens.
SHORTEST = 64


class AgendaError(ValueError):
    """A session that cannot be planned as asked; the message is one line."""


@dataclasses.dataclass(frozen=True)
class Output:
    """One generation."""

    task: str
    condition: str
    repetition: int

    @property
    def name(self) -> str:
        """Its name within the session."""
        return f"{self.task}:{self.condition}:{self.repetition}"

    @property
    def block(self) -> str:
        """What it is measured together with: the other conditions of its task."""
        return f"{self.task}:{self.repetition}"


@dataclasses.dataclass(frozen=True)
class Probe:
    """One window of the same work over and over.

    Attributes:
        output_tokens: Tokens of a generation, that of the prefill among them; 1 for a prefill.
        what: One of `PROBED`.
    """

    task: str
    output_tokens: int
    what: str
    repetition: int

    @property
    def name(self) -> str:
        """Its name within the session."""
        return f"{self.task}:{self.output_tokens}:{self.what}:{self.repetition}"

    @property
    def block(self) -> str:
        """What it is measured together with: nothing else."""
        return self.name


Item = Output | Probe


def order_items(
    spec: PhasesSpecification, outputs: Sequence[Output], probes: Sequence[Probe]
) -> list[Item]:
    """All of a session in the order of measuring: blocks of one task and repetition, and probes
    between them, in random order; the conditions in random order within each block. So drift
    favours none. Where a number of repetitions is not fixed, the most that there can be, and each
    repetition of all cells before the next."""
    order = random.Random(f"{spec.seed}/{spec.session}")
    items = [*outputs, *probes]
    if not any(isinstance(rule, ByWidth) for rule in rules(spec, items).values()):
        return _shuffle(items, order)
    rounds = sorted({item.repetition for item in items})
    parts = ([item for item in items if item.repetition == number] for number in rounds)
    return [item for part in parts for item in _shuffle(part, order)]


def _shuffle(items: Iterable[Item], order: random.Random) -> list[Item]:
    together: dict[str, list[Item]] = {}
    for item in items:
        together.setdefault(item.block, []).append(item)
    blocks = [
        order.sample(block, len(block)) if isinstance(block[0], Output) else block
        for block in together.values()
    ]
    order.shuffle(blocks)
    return [item for block in blocks for item in block]


def rules(spec: PhasesSpecification, items: Iterable[Item]) -> dict[str, Repetitions]:
    """By cell, how often it is repeated: see `stopping`."""
    return {
        cell_of(item.name): spec.repetitions if isinstance(item, Output) else spec.probe.repetitions
        for item in items
    }


def select_tasks(spec: BenchmarkSpecification, file: str, known: Sequence[str]) -> list[str]:
    """The ids of a session's tasks.

    Args:
        file: The name of the tasks' file: workloads that share it get the same random sample.
        known: The ids that there are.

    Raises:
        AgendaError: One that is asked for is not there.
    """
    requested = spec.tasks
    if requested == "all":
        return list(known)
    if isinstance(requested, int):
        sample = random.Random(f"{spec.seed}/{file}").sample(known, min(requested, len(known)))
        return sorted(sample, key=list(known).index)
    for task in requested:
        if task not in known:
            raise AgendaError(
                f"phases.tasks ({spec.workload}): no task '{task}' among the {len(known)} that"
                " are there"
            )
    return list(requested)


def planned_outputs(spec: BenchmarkSpecification, tasks: Iterable[str]) -> list[Output]:
    """Every task under every condition, as often as asked."""
    return [
        Output(task, condition, repetition)
        for task in tasks
        for repetition in range(most_windows(spec.repetitions))
        for condition in spec.conditions
    ]


def replayed_outputs(
    spec: BenchmarkSpecification, tasks: Iterable[str], recorded: Iterable[Output]
) -> list[Output]:
    """The recorded outputs of some tasks, under the conditions that are asked for.

    Raises:
        AgendaError: One of the tasks was not recorded under one of the conditions.
    """
    recorded = list(recorded)
    found = [o for task in tasks for o in recorded if o.task == task]
    for task in tasks:
        for condition in spec.conditions:
            if not any((o.task, o.condition) == (task, condition) for o in found):
                raise AgendaError(
                    f"phases.replay: campaign '{spec.replay.campaign}' holds no output of"
                    f" '{spec.replay.model}' for {task}, {condition}"
                )
    return [o for o in found if o.condition in spec.conditions]


def probed_tasks(lengths: Mapping[str, int], count: int) -> list[str]:
    """`count` tasks spread evenly over the lengths of their prompts: the middle ones of so many
    parts of equal size.

    Args:
        lengths: Tokens of each task's prompt.
    """
    order = sorted(lengths, key=lambda task: (lengths[task], task))
    count = min(count, len(order))
    return [order[int((part + 0.5) * len(order) / count)] for part in range(count)]


def cover_contexts(reached: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
    """The fewest outputs that meet every length of context that some outputs meet.

    Args:
        reached: (tokens of the prompt, tokens of the output) of each.

    Returns:
        The same of those to generate, by length of the prompt.
    """
    found: list[tuple[int, int]] = []
    for prompt, output in sorted(reached):
        if found and prompt <= sum(found[-1]):
            start, length = found[-1]
            found[-1] = start, max(length, prompt + output - start)
        else:
            found.append((prompt, output))
    return found


def probes(
    tasks: Iterable[str], output_tokens: Iterable[int], repetitions: Repetitions
) -> list[Probe]:
    """The windows of probes: one prefill for each task, decoding steps and whole generations for
    each length of the output."""
    lengths = list(output_tokens)
    return [
        probe
        for task in tasks
        for repetition in range(most_windows(repetitions))
        for probe in (
            Probe(task, 1, "prefill", repetition),
            *(Probe(task, n, what, repetition) for n in lengths for what in PROBED[1:]),
        )
    ]


def sweep_lengths(sweep: SweepSettings, limit: int | None) -> list[int]:
    """The prompt lengths of a sweep, in tokens.

    Args:
        sweep: Which are asked for.
        limit: The most tokens that the model takes, those of the output included; None where
            nothing limits them.

    Raises:
        AgendaError: A length that is asked for is more than the model takes, or nothing says which
            is the longest.
    """
    room = None if limit is None else limit - max(sweep.output_tokens)
    if sweep.prompt_tokens == "auto":
        bounds = [bound for bound in (room, sweep.longest) if bound is not None]
        if not bounds:
            raise AgendaError(
                "phases.sweep.longest: null, and the model has no limit of its own; give a number"
            )
        lengths = [SHORTEST << k for k in range(32) if SHORTEST << k <= min(bounds)]
        if not lengths:
            raise AgendaError(
                f"phases.sweep: no prompt of {SHORTEST} tokens or more fits {min(bounds)}"
            )
        return lengths
    for length in sweep.prompt_tokens:
        if room is not None and length > room:
            raise AgendaError(
                f"phases.sweep.prompt_tokens: {length} and the output are more than the {limit}"
                " tokens that the model takes"
            )
    return sorted(sweep.prompt_tokens)
