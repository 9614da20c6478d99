"""LongBench's code tasks (Bai et al., arXiv 2308.14508): LCC and RepoBench-P.

From a folder with the published lcc.jsonl and repobench-p.jsonl, or from the data set's repository
at the Hugging Face hub. The data are not ours to hand on: nothing of them stands here.
"""

from __future__ import annotations

import hashlib
import json
import os
import sys
import zipfile
import zlib
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from generation.workloads.base import WorkloadError
from generation.workloads.nextline import LineTask, NextLines, PosedLine
from weights import WeightsError
from weights.digest import compare
from weights.repository import HubError, download

ARCHIVE = "data.zip"
FILES = ("lcc.jsonl", "repobench-p.jsonl")
# As in its dataset2prompt.json, with the context between them, and in RepoBench-P the input behind
# it; in LCC the input is empty.
HEAD, TAIL = "Please complete the code given below. \n", "Next line of code:\n"
FIELDS = {"input": str, "context": str, "answers": list, "language": str}


class LongBench(NextLines):
    """Next lines of code after a long context."""

    file = "longbench"

    def load(self, options: Mapping[str, Any]) -> list[LineTask]:
        """The tasks of the files that are there, at least one of them.

        Args:
            options: `folder` with the published files, or None for the hub's `repo` at
                `revision`; `sha256`, digests by name of file.
        """
        expected = options["sha256"]
        if options["folder"] is not None:
            found = _from_folder(options["folder"])
        else:
            found = _from_hub(options["repo"], options["revision"], expected)
        tasks = []
        for name, where, data in found:
            _compare(data, expected.get(name), where)
            read = list(_parse_tasks(name, where, data))
            print(f"{where}: {len(read)} tasks", file=sys.stderr, flush=True)
            tasks += read
        return tasks

    def pose(self, task: LineTask, style: str, length: int | None = None) -> PosedLine:
        return PosedLine(task, "completion", HEAD, TAIL)


def files_in(folder: str) -> dict[str, Path]:
    """The published files that a folder holds, by name, or as unpacked in its `data`.

    Args:
        folder: `~` and variables are expanded.

    Raises:
        WorkloadError: There is no such folder, or neither file in it.
    """
    path = Path(os.path.expandvars(folder)).expanduser()
    if not path.is_dir():
        raise WorkloadError(f"there is no folder '{path}'")
    places = [path / "data" / name for name in FILES] + [path / name for name in FILES]
    found = {place.name: place for place in places if place.is_file()}
    if not found:
        raise WorkloadError(f"{path}: neither {' nor '.join(FILES)} is there, nor in its 'data'")
    return found


def _from_folder(folder: str) -> list[tuple[str, str, bytes]]:
    """(name, where it is, content) of each file."""
    found = files_in(folder)
    return [(name, str(found[name]), found[name].read_bytes()) for name in FILES if name in found]


def _from_hub(
    repo: str, revision: str, expected: Mapping[str, str]
) -> list[tuple[str, str, bytes]]:
    """The same from the archive in the data set's repository, whose digest is compared: with the
    expected one, or where none is, with that which the hub states for the commit."""
    from huggingface_hub import hf_hub_download

    where = f"{repo}@{revision}"
    digest = expected.get(ARCHIVE)
    try:
        archive, _, stated = download(
            repo,
            revision,
            "dataset",
            where,
            stated=digest is None,
            fetch=lambda at: hf_hub_download(repo, ARCHIVE, repo_type="dataset", revision=at),
        )
    except HubError as error:
        raise WorkloadError(
            f"{error}; or give a folder with {' and '.join(FILES)} (phases.longbench.folder)"
        ) from None
    digest = digest or _published_digest(stated)
    if digest is None:
        raise WorkloadError(f"{where}: the hub states no digest of {ARCHIVE}; give sha256")
    try:
        found = compare([archive], {ARCHIVE: digest}, where, discard=True)
    except WeightsError as error:
        raise WorkloadError(str(error)) from None
    print(f"{where}: '{ARCHIVE}' has sha256 {found[ARCHIVE]}", file=sys.stderr, flush=True)
    return list(_members(archive, f"{where}/{ARCHIVE}"))


def _published_digest(files: Iterable[Any]) -> str | None:
    """The digest that the hub states for the archive."""
    return next((file.lfs.sha256 for file in files if file.lfs and file.rfilename == ARCHIVE), None)


def _members(archive: Path, where: str) -> Iterator[tuple[str, str, bytes]]:
    try:
        with zipfile.ZipFile(archive) as archived:
            there = set(archived.namelist())
            for name in FILES:
                if f"data/{name}" not in there:
                    raise WorkloadError(f"{where}: there is no data/{name}")
                yield name, f"{where}/data/{name}", archived.read(f"data/{name}")
    except (zipfile.BadZipFile, zlib.error) as error:
        raise WorkloadError(f"{where}: no archive that can be read ({error})") from None


def _compare(data: bytes, expected: str | None, where: str) -> None:
    found = hashlib.sha256(data).hexdigest()
    if expected is None:
        # So that a user who trusts the file can pin it.
        print(f"{where}: sha256 {found}", file=sys.stderr, flush=True)
    elif found != expected:
        raise WorkloadError(f"{where}: sha256 is {found}, expected {expected}")


def _parse_tasks(name: str, where: str, data: bytes) -> Iterator[LineTask]:
    """The tasks of one file, each checked."""
    lines = [(number, line) for number, line in enumerate(data.split(b"\n"), 1) if line.strip()]
    if not lines:
        raise WorkloadError(f"{where}: it is empty")
    for count, (number, line) in enumerate(lines):
        row = _parse_task(line, f"{where}, line {number}")
        yield LineTask(
            task_id=f"{name.removesuffix('.jsonl')}/{count}",
            context=row["context"] + row["input"],
            # Each task of the two has one; LongBench would take the best.
            answer=row["answers"][0],
            source=f"{name}, line {number} ({row['language']})",
        )


def _parse_task(line: bytes, where: str) -> dict[str, Any]:
    try:
        row = json.loads(line.decode())
    except UnicodeDecodeError:
        raise WorkloadError(f"{where}: no UTF-8") from None
    except json.JSONDecodeError as error:
        raise WorkloadError(f"{where}: no JSON ({error.msg})") from None
    if not isinstance(row, dict):
        raise WorkloadError(f"{where}: must be an object with the fields {', '.join(FIELDS)}")
    for field, kind in FIELDS.items():
        if field not in row:
            raise WorkloadError(
                f"{where}: the field '{field}' is missing (needed: {', '.join(FIELDS)})"
            )
        if not isinstance(row[field], kind):
            words = {str: "a text", list: "a list"}[kind]
            raise WorkloadError(f"{where}: '{field}' must be {words}")
    if not row["answers"] or not all(isinstance(answer, str) for answer in row["answers"]):
        raise WorkloadError(f"{where}: 'answers' must be a list of texts, and not empty")
    return row
