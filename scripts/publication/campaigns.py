"""A campaign's tables, figures and pages made from its raw data by the workflow itself, in a
scratch copy of the repository."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

# What a scratch copy links to instead of copying: nothing is written there. Snakemake looks for a
# rule's files where its own really is, so those are copied.
LINKED = ("scripts", "config", "report", "envs")
COPIED = ("Snakefile", "rules")
SOURCES = ("raw", "scores")
METERS = ("session.json", "windows.jsonl", "trace.csv", "events.jsonl")
# Those of `analyse` but `scores`, which are taken as they are: to judge outputs takes the sandbox
# and the tasks.
RULES = ("analyse", "tables", "runtime_tables", "meter_tables", "figure", "figure_left_out")
RULES += ("report_page", "runtimes_page", "meters_page")
# What is published of what they make.
MADE = ("tables/*", "figures/*", "*.html", "meters/*.parquet", "meters/*.md", "meters/*.png")


class PublicationError(Exception):
    """The workflow failed; the message ends with what it said."""


def published_campaigns(root: Path) -> list[str]:
    """The campaigns whose results are in git, as .gitignore names them."""
    lines = (root / ".gitignore").read_text(encoding="utf-8").splitlines()
    names = [line.removeprefix("!/results/") for line in lines if line.startswith("!/results/")]
    return sorted(name.rstrip("/") for name in names if name.endswith("/"))


def scratch_copy(root: Path, campaign: str, folder: Path) -> Path:
    """A copy of the repository in which a campaign can be made anew and nothing else is touched."""
    for name in LINKED:
        (folder / name).symlink_to(root / name)
    for name in COPIED:
        copy = shutil.copytree if (root / name).is_dir() else shutil.copy
        copy(root / name, folder / name)
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


def make(copy: Path, campaign: str, python: str, snakemake: Path) -> Path:
    """Makes tables, figures and pages in a scratch copy; returns the campaign's folder there.

    Args:
        python: The interpreter of envs/analysis.yaml.
        snakemake: The program, as the workflow's own environment has it.

    Raises:
        PublicationError: The workflow or one of its programs failed.
    """
    setting = ["software=host", f"host_python={python}", f"campaign={campaign}"]
    how = ["--cores", "all", "--show-failed-logs", "--allowed-rules", *RULES]
    done = subprocess.run(
        [snakemake, "analyse", *how, "--config", *setting],
        cwd=copy,
        env=os.environ | {"PYTHONPATH": ""},
        capture_output=True,
        text=True,
    )
    if done.returncode:
        output = (done.stdout + done.stderr).strip().splitlines()
        raise PublicationError(f"{campaign}: " + "\n".join(output[-30:]))
    return copy / "results" / campaign


def files_of(made: Path) -> Iterator[Path]:
    """What is published of a campaign that was made, relative to its folder."""
    for pattern in MADE:
        for file in sorted(made.glob(pattern)):
            yield file.relative_to(made)
