"""What was measured stays, whatever is deleted, copied, torn or asked for; what is missing is
measured or made again by the same command."""

import contextlib
import json
import shutil
import subprocess
import tarfile
from pathlib import Path

import pytest

# Each refusal ends with how to go on.
REMEDIES = (
    "or delete the folder",
    "move it out of",
    "move one of them",
    "snakemake --cores 1 analyse",
)
SESSION = "smollm2-135m-instruct__humaneval-0shot__r1"
ROOT = Path(__file__).parents[2]


def planned(output: str) -> set[str]:
    """The rules of the jobs that a dry run tells of."""
    lines = output[output.index("Job stats:") :].splitlines() if "Job stats:" in output else []
    return {line.split()[0] for line in lines if len(line.split()) == 2 and line[-1].isdigit()}


def raw_files(clone) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(clone.raw.iterdir())}


@contextlib.contextmanager
def changed(clone):
    """Whatever the block does to the results is undone."""
    shutil.copytree(clone.results, aside := clone.folder / "aside", copy_function=shutil.copy2)
    try:
        yield
    finally:
        shutil.rmtree(clone.results)
        aside.rename(clone.results)


def refusal(clone, *arguments: str) -> str:
    """The line that says why; nothing was run."""
    output = clone.run("-n", *arguments, check=False)
    assert not planned(output), output
    found = {text.strip() for text in output.splitlines() if any(word in text for word in REMEDIES)}
    assert len(found) == 1, output
    return found.pop()


@pytest.mark.smoke
def test_a_finished_campaign_has_nothing_to_do(finished):
    assert "Nothing to be done" in finished.run("-n")
    facts = json.loads((finished.raw / "session.json").read_text())
    assert {name: told["bytes"] for name, told in facts["files"].items()} == {
        path.name: path.stat().st_size
        for path in finished.raw.iterdir()
        if "session" not in str(path.name)
    }


@pytest.mark.parametrize(
    ("lost", "made"),
    [
        (f"raw/{SESSION}", {"phases_session", "scores", "tables", "report_page"}),
        (f"scores/{SESSION}.json", {"scores", "tables", "report_page"}),
        ("tables/law.parquet", {"tables", "report_page"}),
    ],
)
def test_what_was_deleted_is_made_again_though_later_results_are_there(finished, lost, made):
    with changed(finished):
        path = finished.results / lost
        shutil.rmtree(path) if path.is_dir() else path.unlink()
        assert made <= planned(finished.run("-n"))


# Without a sweep the law has nothing to show; whether a session as short as this one resolves its
# phases depends on how fast the machine is.
@pytest.mark.parametrize("name", ["law", "phases", "power"])
def test_a_figure_that_was_deleted_is_made_again(finished, name):
    png = finished.results / "figures" / f"{name}.png"
    rule = "figure" if png.stat().st_size else "figure_left_out"
    assert name != "law" or rule == "figure_left_out"
    with changed(finished):
        png.with_suffix(".pdf").unlink()
        assert {rule, "report_page"} <= planned(finished.run("-n"))


@pytest.mark.parametrize(
    ("name", "tear", "target"),
    [
        ("windows.jsonl", lambda data: None, "all"),
        ("windows.jsonl", lambda data: b"".join(data.splitlines(keepends=True)[:-1]), "analyse"),
        ("trace.csv", lambda data: data[:-100] + bytes(100), "analyse"),
        ("session.json", lambda data: data[:500], "all"),
        ("session.json", lambda data: None, "all"),
    ],
    ids=["missing", "whole lines", "zeros", "half facts", "no facts"],
)
def test_torn_raw_data_are_named_and_never_measured_over(finished, target, name, tear):
    with changed(finished):
        path = finished.raw / name
        torn = tear(path.read_bytes())
        path.unlink()
        if torn is not None:
            path.write_bytes(torn)
        said = refusal(finished, target)
        assert SESSION in said and "delete the folder" in said


@pytest.mark.parametrize(
    ("name", "target"), [("copy", "all"), (SESSION.replace("__r1", "__r2"), "analyse")]
)
def test_a_copy_of_a_session_is_refused(finished, target, name):
    with changed(finished):
        shutil.copytree(finished.raw, copy := finished.raw.with_name(name))
        assert str(copy.relative_to(finished.folder)) in refusal(finished, target)


def test_a_copy_under_a_name_that_it_was_given_is_refused_by_what_it_holds(finished):
    with changed(finished):
        other = SESSION.replace("__r1", "__r2")
        shutil.copytree(finished.raw, copy := finished.raw.with_name(other))
        facts = json.loads((copy / "session.json").read_text())
        facts["spec"] |= {"session": other, "round": 2}
        (copy / "session.json").unlink()
        (copy / "session.json").write_text(json.dumps(facts))
        assert "hold the same measurement" in refusal(finished, "analyse")


@pytest.mark.parametrize("file", [f"raw/{SESSION}/session.json", "report.html"])
def test_nothing_is_measured_into_another_campaign(finished, file):
    assert "--config campaign=other" in refusal(finished, f"results/other/{file}")


# Dry runs alone: these would make, or delete, the software and the weights that clones share.
@pytest.mark.parametrize("option", ["--forceall", "--forcerun", "--delete-all-output"])
def test_snakemake_cannot_be_asked_for_raw_data_that_are_there(finished, option):
    values = ("phases_session", "tables") if option == "--forcerun" else ()
    output = finished.run("all", "-n", option, *values)
    assert "tables" in output
    assert "phases_session" not in planned(output)
    assert f"results/small/raw/{SESSION}/trace.csv" not in output


def test_a_session_is_measured_again_once_its_folder_is_deleted(finished):
    with changed(finished):
        before = raw_files(finished)
        shutil.rmtree(finished.raw)
        finished.run("phases")
        assert raw_files(finished).keys() == before.keys()
        assert raw_files(finished)["trace.csv"] != before["trace.csv"]


def test_an_archive_of_a_campaign_is_analysed_where_there_is_no_git(finished, tmp_path):
    archive = tmp_path / "archive.tar"
    # As `git archive` has it: every file of one time.
    with tarfile.open(archive, "w") as tar:
        for name in ("Snakefile", "config", "envs", "profiles", "report", "rules", "scripts"):
            tar.add(finished.folder / name, name, filter=_of_one_time)
        tar.add(finished.results, "results/small", filter=_of_one_time)
    with tarfile.open(archive) as tar:
        tar.extractall(tmp_path / "there", filter="fully_trusted")
    there = tmp_path / "there"
    for name in (".software", "resources"):
        (there / name).symlink_to(ROOT / name)
    command = [*finished.command("analyse")]
    done = subprocess.run(
        [*command[: command.index("--configfile")], "--config", "campaign=small", "-n"],
        cwd=there,
        env={**finished.environment, "GIT_DIR": "/nowhere"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert {"tables", "report_page"} <= planned(done.stdout + done.stderr)
    assert "phases_session" not in planned(done.stdout + done.stderr)


def _of_one_time(info: tarfile.TarInfo) -> tarfile.TarInfo | None:
    info.mtime = 1_700_000_000
    return None if "__pycache__" in info.name else info
