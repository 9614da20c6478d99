"""The plan of a campaign: which sessions there are, which are left, and which count.

What was measured stands: a session with raw data is never measured again, and nothing of another
configuration is measured beside it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import TypeVar

from configuration.experiment import Session, check_unchanged
from configuration.files import SESSION, WINDOWS, is_scored
from configuration.load import Experiment
from configuration.recorded import Recorded
from configuration.replay import check_recorded, replayed_session
from configuration.runtimes import RuntimeSession
from configuration.studies import STUDIES, study_of
from configuration.validation import ConfigurationError
from metering.torn import read_facts

Kind = TypeVar("Kind", Session, RuntimeSession)


class Campaign:
    """An experiment under its name, and what is on disk of it.

    Args:
        experiment: What is planned.
        results: The folder of all campaigns.
    """

    def __init__(self, experiment: Experiment, results: Path) -> None:
        self.experiment = experiment
        self._results = results
        self._names = {s.name for sessions in experiment.sessions.values() for s in sessions}
        self._checked: set[str] = set()
        self.name: str = experiment.config["campaign"]
        self.folder = results / self.name
        self.recorded = Recorded(self.folder)

    def session(self, kind: type[Kind], name: str) -> Kind:
        """The session of a file, which may have been asked for by its path.

        Raises:
            ConfigurationError: None of that name is planned or was measured.
        """
        if name not in self._names and name not in self.recorded.facts:
            raise ConfigurationError(
                f"campaign '{self.name}': no session '{name}' is planned, and none was measured"
            )
        return kind.parse(name)

    def spec(self, session: Session | RuntimeSession) -> str:
        """A session's specification, as JSON."""
        planned = self.experiment
        study = STUDIES[study_of(session.name)]
        return study.specify(session, planned.config, planned.models, planned.around)

    def planned_spec(self, session: Session | RuntimeSession) -> str:
        """The same of a session that is to be measured.

        Raises:
            ConfigurationError: As `planned`: one that is asked for by its path passes no refusal.
        """
        self.planned(study_of(session.name))
        return self.spec(session)

    def planned(self, study: str) -> list[str]:
        """The names of a study's planned sessions; their campaign holds none but them, and none
        that was measured with another configuration.

        Raises:
            ConfigurationError: It does, or the study is not asked for.
            RecordingError: Raw data are torn, or are there twice.
        """
        sessions = self.experiment.sessions[study]
        names = [session.name for session in sessions]
        if study in self._checked:
            return names
        if not names:
            raise ConfigurationError(
                f"studies: '{study}' is not among them, so none of it is planned"
            )
        for other in sorted(set(self.recorded.sessions(study)) - set(names)):
            raise ConfigurationError(
                f"campaign '{self.name}' holds {other}, which this configuration does not plan;"
                " choose another name (--config campaign=NAME), or read it with the target analyse"
            )
        for session in sessions:
            # As the run began: what it measures itself is what it plans.
            facts = self.recorded.facts.get(session.name)
            if facts is not None and not facts.get("excluded"):
                check_unchanged(self.spec(session), facts["spec"])
        self._checked.add(study)
        return names

    def measured(self, study: str, as_recorded: bool) -> list[str]:
        """The names of the sessions that a study's tables are made from.

        Args:
            as_recorded: Those that were measured, planned or not; else the plan.

        Raises:
            ConfigurationError, RecordingError: As `planned`.
        """
        if not as_recorded:
            return self.planned(study)
        return [n for n in self.recorded.sessions(study) if self.recorded.is_finished(n)]

    def scored(self, study: str, as_recorded: bool) -> list[str]:
        """Of those the ones whose outputs are scored."""
        if study != "phases":
            return []
        return [n for n in self.measured(study, as_recorded) if is_scored(Session.parse(n))]

    def excluded(self, study: str) -> list[str]:
        """The names of the sessions that say why they could not be measured."""
        return [n for n in self.recorded.sessions(study) if not self.recorded.is_finished(n)]

    def unmeasured(self, study: str) -> str:
        """A pattern for the planned sessions that have no raw data yet.

        Only these have a rule. Raw data that are there are sources, whatever becomes of weights,
        software and code: they are analysed, and never measured again.
        """
        names = [session.name for session in self._left(study)]
        return "|".join(map(re.escape, names)) or r"(?!)"

    def measured_studies(self) -> list[str]:
        """The studies of which there are raw data."""
        return [study for study in STUDIES if self.recorded.sessions(study)]

    def priority(self, session: str) -> int:
        """Of a session of the study of runtimes: rounds one after the other, each in its random
        order."""
        names = [planned.name for planned in self.experiment.sessions["runtimes"]]
        return len(names) - names.index(session)

    def described_runtimes(self) -> str:
        """The planned sessions of the study of runtimes in words, as JSON, so that none can be
        missing from the tables in silence."""
        keys = ("session", "model", "title", "provider", "round")
        specs = [json.loads(self.spec(s)) for s in self.experiment.sessions["runtimes"]]
        return json.dumps([{key: spec[key] for key in keys} for spec in specs])

    def replayed_windows(self, session: Session) -> Path | None:
        """The windows of the session whose outputs a session forces; None where it forces none."""
        replay = self.experiment.config["phases"]["replay"]
        if replay is None or not is_scored(session):
            return None
        name = replayed_session(session, replay).name
        return Recorded(self._results / replay["campaign"]).folder(name) / WINDOWS

    def check_replays(self) -> None:
        """Refuses, before the first job, a replay of outputs that are not there.

        Raises:
            ConfigurationError: They are not.
            RecordingError: Their raw data are torn.
        """
        for session in self._left("phases"):
            windows = self.replayed_windows(session)
            if windows is None:
                continue
            folder = windows.parent
            if not (folder / SESSION).is_file():
                raise ConfigurationError(
                    f"phases.replay: there is no finished session {folder}; measure that campaign"
                    " first"
                )
            check_recorded(session, self.experiment.config["phases"], read_facts(folder)["spec"])

    def _left(self, study: str) -> Sequence[Session | RuntimeSession]:
        sessions = self.experiment.sessions[study]
        return [s for s in sessions if not self.recorded.is_finished(s.name)]
