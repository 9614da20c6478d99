"""What is told of a plan: from the jobs that are to run."""

from pathlib import Path

from configuration.summary import measuring_rules, summary_lines

from .conftest import load

ROOT = Path(__file__).parents[2]
ONE = "smollm2-135m-instruct__humaneval-0shot__r1"


def lines(*jobs, measured_s=None):
    return summary_lines(jobs, load(), measured_s or {}, gpus=0)


def test_nothing_to_do_is_nothing_to_tell():
    assert lines() == []
    assert lines(("all", {}), ("tables", {"campaign": "mine"})) == []


def test_only_the_sessions_that_run_count():
    first, second = lines(
        ("phases_session", {"session": ONE}),
        ("scores", {"session": ONE.replace("r1", "r2")}),
        measured_s={"smollm2-135m-instruct__humaneval-0shot": 600.0},
    )
    assert first == "plan: 1 session to measure, about 10 min"
    assert second.startswith("plan: about 0 GB to fetch; about ")
    (first, _) = lines(("phases_session", {"session": ONE}))
    assert "how fast this machine decodes is assumed" in first


def test_the_meters_are_a_session_of_their_own():
    alone, _ = lines(("metering_session", {"campaign": "mine"}))
    assert alone.startswith("plan: 1 session to measure, about ")
    both, _ = lines(("metering_session", {}), ("runtime_session", {"session": "m__p__cpu__r1"}))
    assert both == alone


def test_what_is_fetched_is_named_where_its_size_is_unknown():
    (line,) = lines(
        ("virtual_environment", {"env": "analysis"}),
        ("virtual_environment", {"env": "unheard-of"}),
        ("workload", {"benchmark": "longbench"}),
        ("model", {"model": "smollm2-135m-instruct"}),
        ("network", {"model": "mobilenetv2-init"}),
        ("convert", {"model": "mobilenetv2-init", "framework": "pytorch"}),
    )
    assert "about 0.41 GB to fetch, and of unknown size environment unheard-of" in line
    assert "about 1.4 GB to keep" in line


def test_whatever_measures_is_found_by_its_name(tmp_path):
    known = {"metering_session", "phases_session", "runtime_session"}
    assert known <= set(measuring_rules(ROOT / "rules"))
    (tmp_path / "new.smk").write_text("rule endpoint_session:\n    input:\n        [],\n")
    (tmp_path / "no.smk").write_text("# rule a_session:\nrule session_files:\n    input:\n")
    assert measuring_rules(tmp_path) == ("endpoint_session",)
