"""Whether raw data are whole: what a full disk, a power cut, a copy or a hand has torn is named."""

from __future__ import annotations

import itertools
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

FILES = ("windows.jsonl", "trace.csv", "events.jsonl")
REMEDY = "; put the whole file back, or delete the folder and the same command measures it again"
# So many lines are parsed together.
LINES = 1000


class RecordingError(RuntimeError):
    """Raw data cannot be kept; one line: what, why, how to go on. What was finished is there."""


class TornError(RecordingError):
    """Raw data that are not whole; one line: which file, what is wrong, how to go on."""


def read_lines(path: Path) -> list[dict[str, Any]]:
    """The records of a file of lines. Raises TornError."""
    found: list[dict[str, Any]] = []
    try:
        with path.open(encoding="utf-8") as lines:
            # Parsed together, their keys are the same strings in memory.
            while some := list(itertools.islice(lines, LINES)):
                found += json.loads(f"[{','.join(some)}]")
    except OSError as error:
        raise TornError(f"{path}: {error.strerror}") from None
    except ValueError:
        raise TornError(_torn_line(path)) from None
    if not all(isinstance(record, dict) for record in found):
        raise TornError(f"{path} is damaged: a line is no record")
    return found


def _torn_line(path: Path) -> str:
    data = path.read_bytes().split(b"\n")
    for number, line in enumerate(data, start=1):
        if number == len(data):
            break
        try:
            json.loads(line.decode())
        except ValueError:
            return f"{path} is damaged: line {number} is no record"
    return f"{path} is torn: its last line has no end"


def read_facts(folder: Path) -> dict[str, Any]:
    """session.json of a finished session, once it is known that its files are whole: as long as it
    says, or if it is older than that, ending where a line ends.

    Raises:
        TornError: They are not, or it is no session.
    """
    path = folder / "session.json"
    try:
        facts = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise TornError(f"{path}: {error.strerror}{REMEDY}") from None
    except ValueError:
        facts = None
    if not _is_session(facts):
        raise TornError(f"{path} is torn: it is not the JSON of a session{REMEDY}") from None
    for name in FILES:
        if why := _damage(folder / name, facts):
            raise TornError(f"{folder / name} {why}{REMEDY}")
    return facts


def _is_session(facts: Any) -> bool:
    return (
        isinstance(facts, dict)
        and isinstance(facts.get("spec"), dict)
        and isinstance(facts["spec"].get("session"), str)
        and isinstance(facts.get("segments"), list)
    )


def _damage(path: Path, facts: Mapping[str, Any]) -> str | None:
    if not path.is_file():
        return "is missing"
    size = path.stat().st_size
    stated = facts.get("files", {}).get(path.name)
    if stated is not None and size != stated["bytes"]:
        return f"is torn: it has {size} bytes and was written with {stated['bytes']}"
    if size == 0:
        # Where nothing went wrong there is no event, where nothing was measured no window.
        empty = path.name == "events.jsonl" or facts.get("excluded")
        return None if empty else "is torn: it is empty"
    with path.open("rb") as file:
        file.seek(-1, os.SEEK_END)
        return None if file.read() == b"\n" else "is torn: its last line has no end"


def is_free(final: Path) -> bool:
    """Whether a session can be put there: nothing is there, or why it could not be measured; else
    it was measured.

    Raises:
        TornError: What is there is no whole session.
    """
    if not (final / "session.json").exists():
        if there := [name for name in FILES if (final / name).exists()]:
            raise TornError(f"{final} holds {there[0]} and no session.json{REMEDY}")
        return True
    return bool(read_facts(final).get("excluded"))


def refuse_duplicates(folders: Mapping[str, Mapping[str, Any]]) -> None:
    """Refuses what would be counted twice.

    Args:
        folders: By path of a session's folder, its session.json.

    Raises:
        RecordingError: A folder is not called as its session, or two hold the same measurement.
    """
    seen: dict[str, str] = {}
    for folder, facts in folders.items():
        name = facts["spec"]["session"]
        if Path(folder).name != name:
            raise RecordingError(
                f"{folder} holds the session {name}: a copy would be counted twice; move it out of"
                f" {Path(folder).parent}, or call it as its session where that is missing"
            )
        # When a process started, to the nanosecond of its machine: no two sessions share one.
        starts = [(s.get("started_utc"), s.get("process_start_ns")) for s in facts["segments"]]
        for start in starts:
            if None not in start and (other := seen.setdefault(str(start), folder)) != folder:
                raise RecordingError(
                    f"{folder} and {other} hold the same measurement: move one of them out of"
                    f" {Path(folder).parent}"
                )
