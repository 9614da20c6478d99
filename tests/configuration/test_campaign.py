"""The plan of a campaign, over raw data that are finished, torn, excluded, or of somebody else."""

import json
import shutil

import pytest

from configuration import ConfigurationError, Session
from configuration.campaign import Campaign
from configuration.recorded import Recorded
from configuration.runtimes import RuntimeSession
from configuration.studies import study_of
from metering.torn import RecordingError

from .conftest import ROOT, load, measure

ONE = "smollm2-135m-instruct__humaneval-0shot__r1"
TWO = "smollm2-135m-instruct__humaneval-0shot__r2"
SWEEPS = ["smollm2-135m-instruct__sweep__r1", "smollm2-135m-instruct__sweep__r2"]
ALL = [ONE, SWEEPS[0], TWO, SWEEPS[1]]
NETWORK = "mobilenetv2-init__pytorch__cpu__r1"


def refusal(function, *arguments, **named):
    with pytest.raises((ConfigurationError, RecordingError)) as caught:
        function(*arguments, **named)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def names(campaign, study):
    """The planned sessions that still have a rule."""
    return {name.replace("\\", "") for name in campaign.unmeasured(study).split("|")}


def test_of_a_new_campaign_all_is_planned_and_nothing_measured(campaign):
    plan = campaign()
    assert plan.planned("phases") == ALL == plan.measured("phases", as_recorded=False)
    assert names(plan, "phases") == set(ALL)
    assert len(names(plan, "runtimes")) == 4
    assert plan.measured("phases", as_recorded=True) == []
    assert plan.measured_studies() == []
    assert plan.scored("phases", as_recorded=False) == [ONE, TWO]
    assert plan.scored("runtimes", as_recorded=False) == []


def test_what_is_measured_has_no_rule_and_counts(campaign):
    measure(campaign(), ONE, NETWORK)
    plan = campaign()
    assert names(plan, "phases") == {*ALL} - {ONE}
    assert NETWORK not in names(plan, "runtimes")
    assert plan.planned("phases") == ALL
    assert plan.measured("phases", as_recorded=True) == [ONE]
    assert plan.scored("phases", as_recorded=True) == [ONE]
    assert plan.measured_studies() == ["runtimes", "phases"]


def test_a_whole_campaign_leaves_no_session_to_measure(campaign):
    measure(campaign(), *ALL)
    assert campaign().unmeasured("phases") == "(?!)"


def test_one_that_was_excluded_is_tried_again_and_is_no_result(campaign):
    measure(campaign(), NETWORK, excluded="no parity", seed=-1)
    plan = campaign()
    assert NETWORK in names(plan, "runtimes")
    # Whatever it was told then.
    assert NETWORK in plan.planned("runtimes")
    assert plan.measured("runtimes", as_recorded=True) == []
    assert plan.excluded("runtimes") == [NETWORK]
    assert plan.measured_studies() == ["runtimes"]


@pytest.mark.parametrize("lost", ["session.json", "trace.csv", "windows.jsonl"])
def test_torn_raw_data_are_refused_and_never_measured_over(campaign, lost):
    measure(campaign(), ONE)
    (campaign().recorded.folder(ONE) / lost).unlink()
    plan = campaign()
    assert ONE not in names(plan, "phases")
    for as_recorded in (True, False):
        assert ONE in refusal(plan.measured, "phases", as_recorded)
    assert "delete the folder" in refusal(plan.planned, "runtimes")


def test_a_copy_of_a_session_is_refused(campaign):
    measure(campaign(), ONE)
    folder = campaign().recorded.folder(ONE)
    shutil.copytree(folder, folder.with_name(TWO))
    assert "a copy would be counted twice" in refusal(campaign().planned, "phases")


def test_a_session_of_another_configuration_is_refused_but_may_be_read(campaign):
    foreign = "other-model__humaneval-0shot__r1"
    measure(campaign(), foreign)
    plan = campaign()
    line = refusal(plan.planned, "phases")
    assert line.startswith(f"campaign 'mine' holds {foreign}, which this configuration does not")
    assert plan.measured("phases", as_recorded=True) == [foreign]
    # The other study has nothing to do with it.
    assert len(plan.planned("runtimes")) == 4


def test_what_was_measured_otherwise_is_not_measured_beside(campaign):
    measure(campaign(), ONE)
    line = refusal(campaign(seed=7).planned, "phases")
    assert line.startswith(f"campaign 'mine' holds {ONE}, measured with seed: ")
    assert "choose another name (--config campaign=NAME)" in line
    plan = campaign(seed=7)
    # Asked for by its path, too, and as often as anybody asks.
    for _ in range(2):
        assert line == refusal(plan.planned_spec, Session.parse(TWO))
    assert plan.measured("phases", as_recorded=True) == [ONE]
    assert campaign(seed=7, campaign="another").planned("phases") == ALL


def test_a_renamed_campaign_was_measured_under_another_name(campaign):
    plan = campaign()
    measure(plan, ONE)
    plan.folder.rename(plan.folder.with_name("renamed"))
    assert "measured with campaign: 'mine'" in refusal(
        campaign(campaign="renamed").planned, "phases"
    )
    assert campaign(campaign="renamed").measured("phases", as_recorded=True) == [ONE]
    assert names(campaign(), "phases") == set(ALL)


def test_a_study_that_is_not_asked_for_has_no_plan(campaign):
    plan = campaign(studies=["phases"])
    assert refusal(plan.planned, "runtimes") == (
        "studies: 'runtimes' is not among them, so none of it is planned"
    )
    assert plan.unmeasured("runtimes") == "(?!)"
    measure(campaign(), NETWORK)
    assert campaign(studies=["phases"]).measured("runtimes", as_recorded=True) == [NETWORK]


def test_a_session_of_a_path_is_planned_or_was_measured(campaign):
    plan = campaign()
    assert plan.session(Session, ONE) == Session.parse(ONE)
    assert plan.session(RuntimeSession, NETWORK).system == "pytorch"
    line = refusal(plan.session, Session, "x__y__r1")
    assert line == "campaign 'mine': no session 'x__y__r1' is planned, and none was measured"
    measure(plan, "x__y__r1")
    assert campaign().session(Session, "x__y__r1").workload == "y"


def test_specifications_are_those_of_the_sessions(campaign):
    plan = campaign()
    for study in ("phases", "runtimes"):
        for session in plan.experiment.sessions[study]:
            spec = json.loads(plan.planned_spec(session))
            assert (spec["session"], spec["campaign"]) == (session.name, "mine")
            assert study_of(session.name) == study


def test_runtimes_come_in_the_order_of_the_plan(campaign):
    plan = campaign()
    planned = plan.planned("runtimes")
    priorities = [plan.priority(name) for name in planned]
    assert priorities == sorted(priorities, reverse=True) and min(priorities) == 1
    described = json.loads(plan.described_runtimes())
    assert [each["session"] for each in described] == planned
    assert {each["title"] for each in described} == {"PyTorch", "ONNX Runtime from PyTorch"}


def replaying(campaign, **phases):
    replay = {"campaign": "mine", "model": "smollm2-135m-instruct"}
    phases = {"rounds": 1, "models": ["smollm2-135m-init"], "replay": replay, **phases}
    return campaign(campaign="again", studies=["phases"], phases=phases)


def test_a_replay_reads_the_first_round_of_the_recorded_model(campaign):
    measure(campaign(), ONE)
    plan = replaying(campaign)
    plan.check_replays()
    first, sweep = plan.experiment.sessions["phases"]
    recorded = campaign().recorded.folder(ONE)
    assert plan.replayed_windows(first) == recorded / "windows.jsonl"
    assert plan.replayed_windows(sweep) is None
    assert campaign().replayed_windows(first) is None
    campaign().check_replays()


def test_a_replay_of_what_is_not_there_is_refused(campaign):
    line = refusal(replaying(campaign).check_replays)
    assert line.startswith("phases.replay: there is no finished session ")
    assert line.endswith(f"/results/mine/raw/{ONE}; measure that campaign first")
    measure(campaign(), ONE, conditions=["baseline"])
    assert "no output of 'smollm2-135m-instruct' under suppressed" in refusal(
        replaying(campaign).check_replays
    )
    (campaign().recorded.folder(ONE) / "trace.csv").unlink()
    assert "is missing" in refusal(replaying(campaign).check_replays)


def test_a_measured_replay_needs_its_record_no_more(campaign):
    plan = replaying(campaign, workloads=["humaneval-0shot"])
    measure(plan, *plan.planned("phases"))
    replaying(campaign, workloads=["humaneval-0shot"]).check_replays()


def test_how_long_sessions_took_is_read_from_their_windows(campaign):
    plan = campaign()
    assert plan.recorded.measured_seconds() == {}
    measure(plan, ONE, TWO)
    (plan.recorded.folder(TWO) / "windows.jsonl").write_text(
        '{"start_ns": 0, "end_ns": 1}\n{"start_ns": 2, "end_ns": 120000000000}\n'
    )
    assert plan.recorded.measured_seconds() == {"smollm2-135m-instruct__humaneval-0shot": 90.0}


def test_the_session_of_the_meters(tmp_path):
    recorded = Recorded(tmp_path)
    assert not recorded.are_meters_finished()
    recorded.check_meters()
    recorded.meters.mkdir()
    (recorded.meters / "windows.jsonl").write_text("{}\n")
    assert recorded.are_meters_finished()
    assert "holds windows.jsonl and no session.json" in refusal(recorded.check_meters)


def test_published_campaigns_are_read_as_they_are():
    for folder in sorted((ROOT / "results").glob("h?00-*")):
        plan = Campaign(load(campaign=folder.name), ROOT / "results")
        found = [n for s in plan.measured_studies() for n in plan.measured(s, as_recorded=True)]
        excluded = [n for s in plan.measured_studies() for n in plan.excluded(s)]
        there = {file.parent.name for file in (folder / "raw").glob("*/session.json")}
        assert sorted(found + excluded) == sorted(there)
        assert there or plan.recorded.are_meters_finished()
