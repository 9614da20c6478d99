"""The raw data of a campaign that are on disk: which sessions were measured, and how."""

from __future__ import annotations

import functools
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from configuration.estimates import without_round
from configuration.files import SESSION, WINDOWS
from configuration.studies import study_of
from metering.torn import FILES, TornError, is_free, read_facts, refuse_duplicates


class Recorded:
    """Raw data, looked at when they are asked for.

    Args:
        campaign: The campaign's folder; there may be none yet.
    """

    def __init__(self, campaign: Path) -> None:
        self._raw = campaign / "raw"
        self.meters = campaign / "meters"

    def folder(self, session: str) -> Path:
        """A session's raw data."""
        return self._raw / session

    def session_file(self, session: str) -> str:
        """The file that says that a session is finished."""
        return str(self.folder(session) / SESSION)

    def is_finished(self, session: str) -> bool:
        """Whether a session was measured; one that was excluded may still be. One whose raw data
        are torn counts as measured: `facts` refuses it, and nothing is measured over it."""
        return _is_measured(self.folder(session))

    def are_meters_finished(self) -> bool:
        """The same of the session of the study of the meters."""
        return _is_measured(self.meters)

    def check_meters(self) -> None:
        """Refuses torn raw data of the study of the meters.

        Raises:
            TornError: They are.
        """
        is_free(self.meters)

    @functools.cached_property
    def facts(self) -> Mapping[str, Mapping[str, Any]]:
        """By name, session.json of each session whose raw data are there, the excluded among them.

        Raises:
            RecordingError: One is torn, or is there twice.
        """
        folders = {
            file.parent for name in (SESSION, *FILES) for file in self._raw.glob(f"*/{name}")
        }
        found = {str(folder): read_facts(folder) for folder in sorted(folders)}
        refuse_duplicates(found)
        return {Path(folder).name: facts for folder, facts in found.items()}

    def sessions(self, study: str) -> list[str]:
        """The names of a study's sessions whose raw data are there.

        Raises:
            RecordingError: As `facts`.
        """
        return [name for name in self.facts if study_of(name) == study]

    def measured_seconds(self) -> dict[str, float]:
        """By name without round, what measured sessions took: estimates go by it."""
        found: dict[str, list[float]] = {}
        for file in self._raw.glob(f"*/{WINDOWS}"):
            lines = file.read_text(encoding="utf-8").splitlines()
            if lines:
                first, last = json.loads(lines[0]), json.loads(lines[-1])
                spent_s = (last["end_ns"] - first["start_ns"]) / 1e9
                found.setdefault(without_round(file.parent.name), []).append(spent_s)
        return {name: sum(each) / len(each) for name, each in found.items()}


def _is_measured(folder: Path) -> bool:
    try:
        return not is_free(folder)
    except TornError:
        return True
