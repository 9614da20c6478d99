"""A campaign's tables, figures and pages made from its raw data by the commands of the rules."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from publication.rulebook import Rule, read_rules

FILES = ("analysis", "report", "report_runtimes", "metering")
# What a scratch copy links to instead of copying: nothing is written there.
LINKED = ("scripts", "config", "report")
SOURCES = ("raw", "scores")
METERS = ("session.json", "windows.jsonl", "trace.csv", "events.jsonl")


class PublicationError(Exception):
    """A step failed; the message ends with what its program said."""


@dataclass(frozen=True)
class Steps:
    """Commands of a campaign: the tables, then the figures in any order, then the page."""

    tables: str
    figures: list[str]
    page: str | None = None


def published(root: Path) -> list[str]:
    """The campaigns whose results are in git, as .gitignore names them."""
    lines = (root / ".gitignore").read_text(encoding="utf-8").splitlines()
    names = [line.removeprefix("!/results/") for line in lines if line.startswith("!/results/")]
    return sorted(name.rstrip("/") for name in names if name.endswith("/"))


def scratch(root: Path, campaign: str, folder: Path) -> Path:
    """A copy of the repository in which a campaign can be made anew and nothing else is touched."""
    for name in LINKED:
        (folder / name).symlink_to(root / name)
    there, here = root / "results" / campaign, folder / "results" / campaign
    here.mkdir(parents=True)
    for name in SOURCES:
        if (there / name).is_dir():
            (here / name).symlink_to(there / name)
    if (there / "meters").is_dir():
        (here / "meters").mkdir()
        for name in METERS:
            (here / "meters" / name).symlink_to(there / "meters" / name)
    return folder


def make(root: Path, campaign: str, python: str, rules: Path) -> None:
    """Makes a campaign's tables, figures and pages under `root`. Scores are taken as they are: to
    judge outputs takes the sandbox and the tasks.

    Args:
        python: The interpreter of envs/analysis.yaml.
        rules: The folder of the rules.

    Raises:
        PublicationError: A program failed.
    """
    environment = os.environ | {"PYTHONPATH": ""}

    def run(command: str) -> None:
        (root / "results" / campaign / "tables").mkdir(exist_ok=True)
        (root / "results" / campaign / "figures").mkdir(exist_ok=True)
        done = subprocess.run(
            ["bash", "-c", command], cwd=root, env=environment, capture_output=True, text=True
        )
        if done.returncode:
            said = (done.stdout + done.stderr).strip().splitlines()
            raise PublicationError(f"{campaign}: {command}\n" + "\n".join(said[-10:]))

    for steps in steps_of(root, campaign, python, rules):
        run(steps.tables)
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            list(pool.map(run, steps.figures))
        if steps.page:
            run(steps.page)


def steps_of(root: Path, campaign: str, python: str, rules: Path) -> Iterator[Steps]:
    """The commands for each study that a campaign holds, to be run in `root`."""
    book = read_rules(*(rules / f"{name}.smk" for name in FILES))
    config = configuration(root)
    folder = Path("results", campaign)
    sessions = {
        file.parent.name: json.loads(file.read_text(encoding="utf-8"))
        for file in sorted((root / folder / "raw").glob("*/session.json"))
    }
    # As in rules/sessions.smk: a session's study stands in the number of its name's parts.
    runtimes = {name: s for name, s in sessions.items() if name.count("__") == 3}
    phases = [name for name in sessions if name not in runtimes]
    given = {
        "campaign": campaign,
        "config": config,
        "interpreter": lambda environment: python,
        "subpath": lambda path, parent: str(Path(path).parent),
        "strict_flags": lambda: "none",
        "planned_runtimes": [],
        "excluded_files": _files(folder, (n for n, s in runtimes.items() if s.get("excluded"))),
    }
    if phases:
        scores = [folder / "scores" / f"{name}.json" for name in phases]
        inputs = {
            "sessions": _files(folder, phases),
            "scores": [str(file) for file in scores if (root / file).is_file()],
        }
        yield _steps(book, "tables", "figure_", "report_page", inputs, given, "report.smk")
    if runtimes:
        inputs = {"sessions": _files(folder, (n for n, s in runtimes.items() if not s["excluded"]))}
        yield _steps(
            book, "runtime_tables", "figure_", "runtimes_page", inputs, given, "report_runtimes.smk"
        )
    if (root / folder / "meters" / "session.json").is_file():
        inputs = {"session": str(folder / "meters" / "session.json")}
        yield Steps(book["meter_tables"].command(inputs, given), [])


def _steps(
    book: Mapping[str, Rule],
    tables: str,
    figure: str,
    page: str,
    inputs: Mapping[str, Any],
    given: Mapping[str, Any],
    file: str,
) -> Steps:
    drawn = [r for r in book.values() if r.name.startswith(figure) and r.file.endswith("/" + file)]
    return Steps(
        book[tables].command(inputs, given),
        [rule.command(inputs, given) for rule in drawn],
        book[page].command(inputs, given),
    )


def _files(folder: Path, names) -> list[str]:
    return [str(folder / "raw" / name / "session.json") for name in names]


def configuration(root: Path) -> dict[str, Any]:
    """The configuration with the schema's defaults, as far as the analysis asks."""
    schema = yaml.safe_load(
        (root / "config/schemas/config.schema.yaml").read_text(encoding="utf-8")
    )
    stated = yaml.safe_load((root / "config/config.yaml").read_text(encoding="utf-8"))
    return _with_defaults(schema, stated)


def _with_defaults(schema: Mapping[str, Any], stated: Any) -> Any:
    if "properties" not in schema:
        return schema.get("default") if stated is None else stated
    stated = stated or {}
    return {key: _with_defaults(sub, stated.get(key)) for key, sub in schema["properties"].items()}
