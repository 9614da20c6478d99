"""A replay and the recorded sessions that it forces. Pure: no files are looked at."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from configuration.experiment import Session, tasks_of
from configuration.validation import ConfigurationError


def replayed_session(session: Session, replay: Mapping[str, str]) -> Session:
    """The recorded session whose outputs a session forces: of the same workload and decoding, at
    batch 1 and in its first round."""
    return Session(replay["model"], session.workload, 1, decoding=session.decoding)


def check_recorded(
    session: Session, phases: Mapping[str, Any], recorded: Mapping[str, Any]
) -> None:
    """Refuses a replay of tasks or conditions that were not recorded.

    Args:
        phases: `phases` of the configuration, with a replay.
        recorded: What the recorded session was told, from its session.json.

    Raises:
        ConfigurationError: They were not; the message names one.
    """
    replay = phases["replay"]
    where = f"phases.replay: campaign '{replay['campaign']}' holds no output of '{replay['model']}'"
    for condition in phases["conditions"]:
        if condition not in recorded["conditions"]:
            raise ConfigurationError(
                f"{where} under {condition} (conditions there: {', '.join(recorded['conditions'])})"
            )
    wanted = tasks_of(session.workload, phases)
    if isinstance(wanted, list) and isinstance(recorded["tasks"], list):
        for task in (t for t in wanted if t not in recorded["tasks"]):
            raise ConfigurationError(
                f"{where} for {task} (tasks: all takes all {len(recorded['tasks'])} that are there)"
            )
