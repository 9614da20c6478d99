"""Every command that the documentation gives runs as it is written: each is planned here."""

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

# Snakemake starts for each.
pytestmark = pytest.mark.slow
ROOT = Path(__file__).parents[2]
PAGES = [
    "README.md",
    "config/README.md",
    "CONTRIBUTING.md",
    # Commands in a folder of the reader's own: tests/workflow/test_elsewhere.py.
    *sorted(
        str(page.relative_to(ROOT))
        for page in (ROOT / "docs").glob("*.md")
        if page.name != "own-project.md"
    ),
]
# Files of the reader's own.
OWN = ("my.yaml", "~/LongBench", "at-scale")


def commands():
    """Each command once: in a line of code, or in backticks, also over a line's end."""
    found = {}
    for page in PAGES:
        text = (ROOT / page).read_text(encoding="utf-8")
        blocks = "\n".join(re.findall(r"^```\w*\n(.*?)^```", text, re.M | re.S))
        blocks = blocks.replace("\\\n", "")
        inline = re.findall(
            r"`(snakemake [^`]+)`", re.sub(r"^```.*?^```", "", text, flags=re.M | re.S)
        )
        lines = [line for line in blocks.splitlines() if line.startswith("snakemake ")]
        for command in [*lines, *inline]:
            words = shlex.split(" ".join(command.split()), comments=True)
            found.setdefault(tuple(words[1:]), page)
    for study in sorted((ROOT / "config").rglob("*.yaml")):
        for command in re.findall(r"^#\s+(snakemake .*)$", study.read_text(encoding="utf-8"), re.M):
            found.setdefault(tuple(shlex.split(command)[1:]), study.name)
    return [words for words in found if not any(own in word for own in OWN for word in words)]


COMMANDS = commands()


def snakemake(*words, **variables):
    return subprocess.run(
        [sys.executable, "-m", "snakemake", *words],
        cwd=ROOT,
        env={**os.environ, "CUDA_VISIBLE_DEVICES": "", **variables},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        timeout=120,
    )


def test_there_are_commands():
    assert len(COMMANDS) > 8, COMMANDS
    assert any("--report" in words for words in COMMANDS)


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_a_documented_command_is_planned(words, tmp_path):
    if "--lint" in words or "--report" in words:
        # Neither runs a job; without results a report has nothing to bundle, and says that.
        done = snakemake(*words)
        assert done.returncode == 0 or "marked for report but does not exist" in done.stdout
        return
    # What the reader has: a campaign that is measured, and models.
    if "analyse" in words:
        words = [re.sub(r"^campaign=.*", "campaign=h200-7b", word) for word in words]
    if words[-1] == "analyse":
        words += ["--config", "campaign=h200-7b"]
    pages = [ROOT / "README.md", ROOT / "docs" / "own-models.md"]
    entries = [
        re.search(r"^```yaml\n(.*?)^```", page.read_text(encoding="utf-8"), re.M | re.S)[1]
        for page in pages
    ]
    mine = tmp_path / "my-models.yaml"
    mine.write_text("".join(entries), encoding="utf-8")
    words = [word.replace("my-models.yaml", str(mine)) for word in words]
    for folder in ("vit", "my-model"):
        (tmp_path / "models" / folder).mkdir(parents=True)
    (tmp_path / "models" / "model.onnx").touch()
    # No conda is needed for a plan.
    words = [word for word in words if word != "--use-conda"]
    done = snakemake("-n", "--quiet", "rules", *words, HOME=str(tmp_path))
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("words", [["--summary"], ["--list-rules"], ["-n", "raw"]], ids=" ".join)
def test_what_looks_needs_no_number_of_cores(words):
    done = snakemake(*words)
    assert done.returncode == 0, done.stdout


def test_a_folder_without_a_configuration_is_refused_in_one_line(tmp_path):
    done = snakemake("-n", "--directory", str(tmp_path))
    assert done.returncode != 0 and "Traceback" not in done.stdout
    assert any(
        line.startswith(f"there is no config/config.yaml in {tmp_path}: ")
        for line in done.stdout.splitlines()
    )
