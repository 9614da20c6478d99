"""The doctor and the study of the meters through the workflow, and flags that there are not."""

import json

import pytest

METERS = """
campaign: small
device: cpu
metering: {idle_s: 0.5}
protocol: {stable_within: null, settle_s: 0.1}
meters:
  loads: [steady, decode]
  window_s: [0.1, 0.3]
  seconds_each: 0.6
  most: 3
  tools: none
"""


def test_the_doctor_prints_and_keeps_its_answer_and_looks_anew_each_time(clone):
    for _ in range(2):
        output = clone.run("doctor")
        answer = (clone.folder / "results" / "doctor" / "doctor.txt").read_text()
        assert answer.startswith("machine ") and all(line in output for line in answer.split("\n"))
    found = json.loads((clone.folder / "results" / "doctor" / "doctor.json").read_text())
    assert found["sampler"]["core_share"] > 0


def test_the_meters_are_studied_once_and_their_tables_made_again(clone):
    clone.config.write_text(METERS)
    clone.run("metering")
    meters = clone.results / "meters"
    assert {"session.json", "trace.csv", "loads.parquet", "loads.png", "meters.md"} <= {
        path.name for path in meters.iterdir()
    }
    assert "**An estimate**" in (meters / "meters.md").read_text()
    before = (meters / "windows.jsonl").stat().st_mtime_ns
    (meters / "meters.md").unlink()
    clone.run("metering")
    assert (meters / "windows.jsonl").stat().st_mtime_ns == before
    assert (meters / "meters.md").exists()


@pytest.mark.parametrize(
    ("strict", "line"),
    [
        ("[nonsense]", "analysis.strict"),
        ("perhaps", "analysis.strict"),
    ],
)
def test_an_unknown_flag_is_refused_before_any_job(clone, strict, line):
    output = clone.run("-n", "--config", f"analysis={{strict: {strict}}}", check=False)
    (said,) = [text for text in output.splitlines() if "configuration: " in text]
    assert line in said
