"""The main job on two real tasks: everything is there, holds together, and is not redone."""

import json
import os
import re
import shutil
import stat
import subprocess
from pathlib import Path

import pytest

from analysis.figures import on_page

TABLES = ("windows", "generations", "position", "pairs", "summary", "savings", "probes")
TABLES += ("estimators", "agreement", "amplification", "ends", "context", "law", "law_points")
TABLES += ("identities", "published", "order", "flags", "checks", "repeatability")
WORKLOADS = ("humaneval-0shot", "humaneval-2shot", "humaneval-cot", "longbench-cu")
WORKLOADS += ("longbench-cu-long", "longcode", "longcode-long", "sweep")
CONDA = Path(__file__).with_name("fakes") / "conda" / "bin"


def planned(output: str) -> set[str]:
    """The rules that a dry run would run."""
    return set(re.findall(r"^(?:local)?rule (\w+):", output, re.MULTILINE))


def windows(clone) -> list[dict]:
    return [json.loads(line) for line in (clone.raw / "windows.jsonl").read_text().splitlines()]


def generations(clone) -> dict[tuple[str, str], dict]:
    return {(w["task"], w["condition"]): w for w in windows(clone) if w["kind"] == "generation"}


def test_the_main_job_ends_with_report_figures_and_tables(measured):
    results = measured.folder / "results/small"
    page = (results / "report.html").read_text()
    assert "These joules are an estimate" in page or "NVML" in page or "package" in page
    for name in on_page("phases"):
        left_out = json.loads((results / f"figures/{name}.json").read_text())["left_out"]
        for suffix, magic in (("png", b"\x89PNG"), ("pdf", b"%PDF")):
            figure = (results / f"figures/{name}.{suffix}").read_bytes()
            assert figure.startswith(magic) if left_out is None else not figure, name
    for name in TABLES:
        assert (results / f"tables/{name}.parquet").read_bytes().startswith(b"PAR1")
    assert not list((results / "partial").iterdir())


def test_it_shows_its_progress(measured):
    # Two outputs of two tasks, and two windows of each of three kinds of probe.
    assert "10/10 HumanEval/" in measured.output
    assert "recording idle for 0.5 s" in measured.output


def test_phases_close_on_the_clock(measured):
    by_generation: dict[str, list[dict]] = {}
    for window in windows(measured):
        if window.get("generation"):
            by_generation.setdefault(window["generation"], []).append(window)
    assert len(by_generation) == 4
    probes = [w for w in windows(measured) if w["kind"] == "probe"]
    assert len(probes) == 6
    assert all(w["end_ns"] - w["start_ns"] >= 0.2e9 for w in probes)
    for group in by_generation.values():
        prefill, decode, *checks, whole = group
        assert (prefill["kind"], decode["kind"], whole["kind"]) == (
            "prefill",
            "decode",
            "generation",
        )
        assert prefill["start_ns"] == whole["start_ns"]
        assert prefill["end_ns"] == decode["start_ns"] == whole["token_ns"][0]
        assert decode["end_ns"] == whole["end_ns"]
        edges = [t for check in checks for t in (check["start_ns"], check["end_ns"])]
        assert edges == sorted(edges)
        assert all(decode["start_ns"] <= t <= decode["end_ns"] for t in edges)


def table(clone, name, columns):
    """Some columns of one of the campaign's tables, as records."""
    program = (
        "import sys, pandas as pd;"
        "print(pd.read_parquet(sys.argv[1])[sys.argv[2:]].to_json(orient='records'))"
    )
    python = clone.folder / ".software/analysis/venv/bin/python"
    file = clone.results / "tables" / f"{name}.parquet"
    done = subprocess.run(
        [python, "-c", program, file, *columns], capture_output=True, text=True, check=True
    )
    return json.loads(done.stdout)


def scores(clone, workload):
    (file,) = (clone.results / "scores").glob(f"*__{workload}__r1.json")
    return {s["generation"]: s for s in json.loads(file.read_text())["scores"]}


def test_phases_close_in_joules(measured):
    columns = ("workload", "total_j", "prefill_j", "decode_j", "check_j")
    rows = table(measured, "generations", columns)
    assert {row["workload"] for row in rows} == set(WORKLOADS) - {"sweep"}
    for row in rows:
        parts = row["prefill_j"] + row["decode_j"] + row["check_j"]
        assert parts == pytest.approx(row["total_j"], rel=1e-9)
        assert row["total_j"] > 0
    for row in table(measured, "identities", ("identity", "worst", "holds")):
        if not row["identity"].startswith("tested"):
            assert row["holds"]


def test_every_workload_is_probed_and_the_sweep_gives_laws(measured):
    probed = {row["workload"] for row in table(measured, "estimators", ["workload"])}
    assert probed == set(WORKLOADS)
    terms = [row["term"] for row in table(measured, "law", ["term"])]
    assert terms == ["a", "b", "c", "d", "e"]
    swept = {row["prompt_tokens"] for row in table(measured, "law_points", ["prompt_tokens"])}
    assert swept == {32, 64, 128, 256}
    over = {row["workload"] for row in table(measured, "amplification", ["workload"])}
    assert over == set(WORKLOADS) - {"sweep", "humaneval-0shot"}


@pytest.mark.parametrize("workload", ["longbench-cu-long", "longcode-long"])
def test_a_stop_at_the_end_of_the_line_changes_no_score(measured, workload):
    found = scores(measured, workload)
    assert len(found) == 4
    for name, score in found.items():
        assert score["passed"] is None
        assert 0 <= score["similarity"] <= 1
        assert score["similarity"] == found[name.replace("baseline", "suppressed")]["similarity"]
    columns = ("workload", "saved_tokens_share", "similarity_differs")
    (row,) = [r for r in table(measured, "savings", columns) if r["workload"] == workload]
    assert row["similarity_differs"] == 0
    assert row["saved_tokens_share"] > 0


def test_a_replay_takes_the_words_of_one_model_and_the_times_of_another(measured, replayed):
    for workload in ("humaneval-0shot", "longcode-long"):
        name = f"smollm2-135m-init__{workload}__r1"
        again = (replayed.results / "raw" / name / "windows.jsonl").read_text().splitlines()
        again = [json.loads(line) for line in again]
        first = measured.results / "raw" / name.replace("init", "instruct") / "windows.jsonl"
        first = [json.loads(line) for line in first.read_text().splitlines()]
        spoken, forced = (
            {w["generation"]: w for w in windows if w["kind"] == "generation"}
            for windows in (first, again)
        )
        assert forced.keys() == spoken.keys()
        for generation, window in forced.items():
            assert window["replayed"]
            assert window["tokens"] == spoken[generation]["tokens"]
            assert window["text"] == spoken[generation]["text"]
            assert window["stop"] == spoken[generation]["stop"]
            assert window["token_ns"] != spoken[generation]["token_ns"]
        for key, score in scores(replayed, workload).items():
            wanted = scores(measured, workload)[key]
            assert (score["passed"], score["similarity"]) == (
                wanted["passed"],
                wanted["similarity"],
            )
    label = "smollm2-135m-init, replay of smollm2-135m-instruct"
    assert {row["model"] for row in table(replayed, "generations", ["model"])} == {label}
    assert "were forced through smollm2-135m-init" in " ".join(
        (replayed.results / "report.html").read_text().split()
    )


def test_batches_and_precisions_are_sessions_of_their_own(factors):
    names = {folder.name for folder in (factors.results / "raw").iterdir()}
    start = "smollm2-135m-instruct__humaneval-0shot"
    assert names == {
        f"{start}{batch}{dtype}__r1" for batch in ("", "_b2") for dtype in ("", "_bfloat16")
    }
    rows = table(factors, "generations", ("model", "workload", "output", "batch"))
    assert {(row["model"], row["workload"]): row["batch"] for row in rows} == {
        (f"smollm2-135m-instruct{dtype}", f"humaneval-0shot{batch}"): 2 if batch else 1
        for batch in ("", ", batch 2")
        for dtype in ("", ", bfloat16")
    }
    # In float32 a larger batch rounds too little to change a word.
    first, second = (row["output"] for row in rows if row["model"] == "smollm2-135m-instruct")
    assert first == second


def test_each_seed_of_sampling_has_an_output_of_its_own(sampled):
    rows = table(sampled, "generations", ("workload", "condition", "repetition"))
    found = {(row["condition"], row["repetition"]) for row in rows}
    assert found == {(condition, n) for condition in ("baseline", "suppressed") for n in (0, 1)}
    assert {row["workload"] for row in rows} == {"humaneval-0shot, sampled"}


def test_a_suppressed_output_is_a_prefix_of_the_baseline_and_ends_with_the_answer(measured):
    found = generations(measured)
    for task in ("HumanEval/23", "HumanEval/0"):
        whole, stopped = found[task, "baseline"], found[task, "suppressed"]
        assert stopped["tokens"] == whole["tokens"][: len(stopped["tokens"])]
    assert found["HumanEval/23", "suppressed"]["stop"] == "watcher"
    assert len(found["HumanEval/23", "suppressed"]["tokens"]) < 10
    assert found["HumanEval/0", "suppressed"]["stop"] == "length"


def test_what_passes_without_suppression_passes_with_it(measured):
    passed = {name: s["passed"] for name, s in scores(measured, "humaneval-0shot").items()}
    assert passed["HumanEval/23:baseline:0"]
    for name, verdict in passed.items():
        assert not verdict or passed[name.replace("baseline", "suppressed")]


def test_the_session_says_who_measured_where_and_with_what(measured):
    facts = json.loads((measured.raw / "session.json").read_text())
    (segment,) = facts["segments"]
    assert facts["spec"]["tasks"] == ["HumanEval/23", "HumanEval/0"]
    assert segment["threads"] == 1
    assert segment["device"] == "cpu"
    assert segment["software"]["packages"]["torch"].startswith("2.13.0")
    assert segment["model"]["sha256"]
    meters = segment["meters"]
    assert meters["found"]
    assert all(m["why"] and m["remedy"] for m in meters["missing"])
    assert facts["sampler"]["samples"] > 10


def test_then_there_is_nothing_to_do(measured):
    assert "Nothing to be done" in measured.run("-n")


def test_raw_data_are_write_protected(measured):
    for file in measured.raw.iterdir():
        assert not file.stat().st_mode & (stat.S_IWUSR | stat.S_IWGRP | stat.S_IWOTH), file.name


def test_a_comment_in_the_analysis_does_not_measure_again(measured):
    program = measured.folder / "scripts/analysis/statistics/rounds.py"
    before = program.read_text()
    program.write_text(before + "# a comment\n")
    try:
        plan = planned(measured.run("-n"))
    finally:
        program.write_text(before)
    assert "tables" in plan
    assert not plan & {"phases_session", "model", "scores"}


def test_lost_weights_are_no_reason_to_measure_again(measured):
    resources = measured.folder / "resources"
    lost = resources.rename(measured.folder / "lost")
    try:
        assert "phases_session" not in planned(measured.run("-n"))
    finally:
        lost.rename(resources)


def test_analyse_needs_nothing_but_the_raw_data(clone, measured):
    clone.results.mkdir(parents=True)
    clone.raw.parent.symlink_to(measured.raw.parent)
    shutil.rmtree(clone.folder / "resources")
    plan = planned(clone.run("-n", "analyse"))
    assert {"scores", "tables", "report_page"} <= plan
    assert not plan & {"phases_session", "model"}


def test_analyse_without_raw_data_says_so(clone):
    output = clone.run("-n", "analyse", check=False)
    assert "analyse: results/small/raw holds no finished session" in output


def test_another_configuration_is_not_measured_over_the_first(measured):
    before = {f.name: f.stat().st_mtime_ns for f in measured.raw.iterdir()}
    output = measured.run("--config", "seed=1", check=False)
    assert "measured with seed: 20260205, and now it is 1" in output
    assert {f.name: f.stat().st_mtime_ns for f in measured.raw.iterdir()} == before


def test_snakemakes_own_report_is_made(measured, tmp_path):
    page = tmp_path / "report.html"
    measured.run("--report", str(page))
    text = page.read_text()
    for words in ("Babbling", "Phases", "Power over time", "With against without suppression"):
        assert words in text


def test_with_conda_every_rule_is_planned_with_its_environment(clone):
    env = {
        "PATH": f"{CONDA}:{os.environ['PATH']}",
        "FAKE_CONDA_SOFTWARE": str(clone.folder / ".software"),
    }
    shutil.rmtree(clone.folder / "resources")
    both = ("--config", "studies=[runtimes, phases]", "runtimes={providers: [cpu]}")
    output = clone.run("--use-conda", "-n", *both, env=env)
    for name in ("pytorch", "tensorflow", "mxnet", "onnxruntime", "analysis"):
        assert f"Conda environment envs/{name}.yaml will be created." in output
    rules = (clone.folder / "rules").glob("*.smk")
    text = "\n".join(file.read_text() for file in rules)
    # Targets of their own have rules that the default one does not run.
    others = {"virtual_environment", "doctor", "metering_session", "meter_tables", "elsewhere"}
    others |= {"meters_page", "figure_left_out"}
    every = set(re.findall(r"^(?:use )?rule (?:\w+ as )?(\w+)", text, re.M))
    assert planned(output) == every - others | {"all"}


def test_with_conda_a_rule_runs_in_its_environment(clone):
    env = {
        "PATH": f"{CONDA}:{os.environ['PATH']}",
        "FAKE_CONDA_SOFTWARE": str(clone.folder / ".software"),
    }
    tasks = "resources/workloads/humaneval.jsonl"
    shutil.rmtree(clone.folder / "resources")
    clone.run("--use-conda", tasks, env=env)
    assert len((clone.folder / tasks).read_text().splitlines()) == 164


@pytest.mark.parametrize("target", ["all", "phases"])
def test_software_of_the_host_needs_no_environment(clone, target):
    output = clone.run("-n", target, "--config", "software=host", "campaign=other")
    assert "virtual_environment" not in planned(output)
    assert ".software" not in output
