"""The loop of one session of any study.

A study says what it measures and how (`session.study`); all else is the same for every one and
done here: raw data that a killed session goes on with, the sampler, warm-up, rest and idle, the
cool-down between blocks of work, cells that have enough windows, progress. The measured work itself
only takes timestamps; a process of its own reads the meters.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from analysis.energy.repeated import units_of
from metering.cells import cell_of
from metering.host import run_facts
from metering.recording import Recording, spec_digest
from metering.sampler import Sampler
from metering.torn import RecordingError
from session.online import cooling_of, stopping_of
from session.preparation import idle_again, rest_and_idle
from session.progress import Progress
from session.specification import Specification
from session.stopping import Stopping
from session.study import Bench, Item, Study, Window

SCRIPTS = Path(__file__).parents[1]
# A slow counter must move once more to cover the last window.
COVER_S = 0.3


class Session:
    """One session, from whatever an earlier process left of it to its raw data.

    Args:
        study: What it measures.
        spec: What it is told.
        document: The same as it was given: raw data keep it, and its digest names the unfinished
            session.
        partial: The campaign's folder of unfinished sessions.
        out: The session's own folder.

    Raises:
        RecordingError: Its files are damaged, or cannot be written.
    """

    def __init__(
        self,
        study: Study,
        spec: Specification,
        document: Mapping[str, Any],
        partial: Path,
        out: Path,
    ) -> None:
        self._study = study
        self._spec = spec
        self._digest = spec_digest(document)
        unfinished = partial / f"{spec.session}-{self._digest[:12]}"
        self._recording = Recording(unfinished, out, document, *study.kinds)

    def run(self) -> None:
        """Measures what is left and completes the raw data. Whatever ends it, what is finished is
        kept, and the same session goes on.

        Raises:
            MeterError: The sampler did not start, or died.
            RecordingError: The raw data cannot be written, or were begun on another device.
            Exception: Whatever the study raises.
        """
        study, spec, recording = self._study, self._spec, self._recording
        for earlier in recording.segments:
            if earlier["device"] != study.device:
                raise RecordingError(
                    f"{spec.session} was begun on {earlier['device']} and would go on on"
                    f" {study.device}; give that device, or delete {recording.partial} to begin"
                    " again"
                )
        plan = study.plan(Progress(spec.session, 1).say)
        stopping = stopping_of(spec, recording, plan.repetitions or {})
        left = stopping.left((item.name for item in plan.items), recording.finished)
        done = len(recording.finished)
        progress = Progress(spec.session, done + len(left), done)
        if done and study.exclusion is None:
            progress.say(f"goes on after {done} finished windows")
        stats = None
        if left and study.exclusion is None:
            with study.open(progress.say) as bench:
                if bench is not None:
                    items = {item.name: item for item in plan.items}
                    stats = self._measure(bench, items, left, stopping, progress)
        if study.exclusion is not None:
            progress.say(f"excluded, {study.exclusion['stage']}: {study.exclusion['why']}")
        for line in stopping.lines():
            progress.say(line)
        facts = {
            **study.conclude(recording.segments),
            "spec_sha256": self._digest,
            "sampler": stats,
        }
        if plan.repetitions is not None:
            facts["stopped"] = stopping.recorded_verdicts()
        # What may not be measured can be tried again when its reason is mended.
        recording.finish(facts, measured=study.exclusion is None)

    def _measure(
        self,
        bench: Bench,
        items: Mapping[str, Item],
        left: Sequence[str],
        stopping: Stopping,
        progress: Progress,
    ) -> dict[str, Any] | None:
        """Measures the items that are left; what the sampler says of its own cost."""
        spec, recording, say = self._spec, self._recording, progress.say
        settle_s, idle_s = spec.protocol.settle_s, spec.metering.idle_s
        with Sampler.configured(
            spec.metering, recording.trace, recording.events, recording.segment
        ) as sampler:
            sampler.announce(say)
            machine = {**run_facts(SCRIPTS), "device": self._study.device}
            recording.begin({**machine, **bench.facts, "meters": sampler.meters})
            recording.append([*bench.prepare(say), *rest_and_idle(settle_s, idle_s, say)])
            cooling = cooling_of(spec, recording, say)
            if any(items[name].block is not None for name in left):
                cooling.remember()
            block = None
            for name in stopping.needed(left, progress.leave_out):
                item = items[name]
                cooled = cooling.wait(name) if item.block != block else []
                block = item.block
                windows = bench.measure(item)
                self._check(windows, name, stopping)
                sampler.check()
                recording.append([*cooled, *windows])
                progress.step(bench.describe(item, windows))
            recording.append(idle_again(settle_s, idle_s, say))
            time.sleep(COVER_S)
        return sampler.stats

    def _check(self, windows: Sequence[Window], name: str, stopping: Stopping) -> None:
        """Refuses windows that would never count as finished, or never be enough, whatever is
        measured."""
        whole = windows[-1]
        if whole["kind"] not in self._study.kinds or whole.get(whole["kind"]) != name:
            kinds = " or ".join(self._study.kinds)
            raise ValueError(f"the last window of '{name}' does not name it: {kinds}")
        if stopping.is_by_width(cell_of(name)) and not units_of(whole):
            raise ValueError(
                f"the last window of '{name}', a '{whole['kind']}', has no 'units': how wide the"
                " interval of its energy is cannot be known without"
            )
