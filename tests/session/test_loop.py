"""The loop of a session over a study in memory and a board that a fake driver has: whatever a study
is, its session is recorded, resumed, cooled, stopped and ended alike."""

import contextlib
import dataclasses
import json
import multiprocessing
import os
import shutil
import signal
import time
from pathlib import Path

import pytest

from analysis.energy.raw import read_session
from analysis.energy.repeated import repeated
from session import program
from session.loop import Session
from session.specification import ByWidth, Specification, parse
from session.study import Plan

FAKES = Path(__file__).parents[1] / "metering/fakes"
DOCUMENT = {
    "session": "small",
    "device": "cuda:0",
    "seed": 1,
    "metering": {"period_s": 0.02, "idle_s": 0.05, "cpu_rated_power_w": None, "wall": None},
    "protocol": {"stable_within": None, "warmup_max_s": 0, "settle_s": 0.01, "cooldown": None},
}
COOLED = {**DOCUMENT["protocol"], "cooldown": {"within_c": 3, "max_s": 5}}
WIDTH = ByWidth(within=10.0, at_least=2, at_most=4, confidence=0.95, resolve_periods=0)


@pytest.fixture(autouse=True)
def board(monkeypatch, tmp_path):
    """One GPU of 41 degrees, for the sampler that a session starts."""
    gpu = {"uuid": "GPU-a", "power_mw": 100_000, "period_ms": 20}
    (tmp_path / "nvml.json").write_text(json.dumps({"gpus": [gpu]}))
    monkeypatch.setenv("FAKE_NVML", str(tmp_path / "nvml.json"))
    monkeypatch.setenv("PYTHONPATH", str(FAKES))
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)


@dataclasses.dataclass(frozen=True)
class Work:
    name: str
    block: str | None = None


class WorkError(RuntimeError):
    pass


class Busy:
    """Measures by waiting; `log` is what was done, in order."""

    def __init__(self, log, before, kind, units):
        self.facts = {"threads": 1}
        self._units = units
        self.log, self._before, self._kind = log, before, kind

    def prepare(self, say):
        self.log.append("prepare")
        return [{"kind": "warmup", **wait(0.01)}]

    def measure(self, item):
        self._before(item.name)
        self.log.append(item.name)
        part = {"kind": "part", self._kind: item.name, **wait(0.01)}
        whole = {"kind": self._kind, self._kind: item.name, **self._units, **wait(0.1)}
        return [part, whole]

    def describe(self, item, windows):
        return f"{item.name} in {len(windows)} windows"


class Small:
    """A study whose parts can be chosen.

    Args:
        before: Called with the name of each item before it is measured.
        refused: Why it may not be measured; `late`: as opening it shows.
    """

    def __init__(self, items, repetitions=None, before=lambda name: None, **changes):
        self._plan, self._before = Plan(items, repetitions), before
        self._refused, self._late = changes.get("refused"), changes.get("late")
        self.device = changes.get("device", "cuda:0")
        self.kinds = (changes.get("kind", "work"),)
        self._units = changes.get("units", {"inferences": 1})
        self.exclusion = self._refused
        self.log = []

    def plan(self, say):
        return self._plan

    @contextlib.contextmanager
    def open(self, say):
        self.log.append("open")
        self.exclusion = self._late
        try:
            yield None if self._late else Busy(self.log, self._before, *self.kinds, self._units)
        finally:
            self.log.append("close")

    def conclude(self, segments):
        return {"study": "small", "processes": len(segments)}


def unfinished():
    """What is left of unfinished sessions."""
    return list(Path(os.environ["FAKE_NVML"]).parent.glob("partial/*"))


def wait(seconds):
    start_ns = time.monotonic_ns()
    time.sleep(seconds)
    return {"start_ns": start_ns, "end_ns": time.monotonic_ns()}


@pytest.fixture
def measure(tmp_path):
    """Runs a session of a study, as its program does; gives what it left."""

    def run(study, **changes):
        document = DOCUMENT | changes
        spec = parse(Specification, document, "test")
        Session(study, spec, document, tmp_path / "partial", tmp_path / "raw").run()
        return Raw(tmp_path / "raw")

    return run


class Raw:
    def __init__(self, folder):
        self.folder = folder
        self.facts = json.loads((folder / "session.json").read_text())
        self.windows = [json.loads(w) for w in (folder / "windows.jsonl").read_text().splitlines()]
        self.kinds = [window["kind"] for window in self.windows]
        self.protected = not (folder / "windows.jsonl").stat().st_mode & 0o222

    def measured(self, kind="work"):
        return [window[kind] for window in self.windows if window["kind"] == kind]


def works(*names, block=None):
    return [Work(name, block) for name in names]


def stop_at(name, error):
    """What raises before an item of this name is measured."""

    def before(now):
        if now == name:
            raise error

    return before


def test_every_part_comes_in_its_order_and_the_raw_data_say_all(measure, capsys):
    study = Small(works("b:0", "a:0"))
    raw = measure(study)
    assert study.log == ["open", "prepare", "b:0", "a:0", "close"]
    rest = ["settle", "idle"]
    assert raw.kinds == ["warmup", *rest, *["part", "work"] * 2, *rest]
    assert all(w["start_ns"] <= w["end_ns"] for w in raw.windows) and raw.protected
    facts = raw.facts
    assert facts["spec"] == DOCUMENT and facts["study"] == "small" and facts["processes"] == 1
    assert facts["sampler"]["samples"] > 0 and len(facts["spec_sha256"]) == 64
    # Nothing is repeated until enough is known, so nothing is said of it.
    assert "stopped" not in facts
    (segment,) = facts["segments"]
    assert segment["threads"] == 1 and segment["device"] == "cuda:0"
    assert segment["first_window_s"] > 0 and segment["code"] and segment["host"]
    assert "gpu:0" in [meter["domain"] for meter in segment["meters"]["found"]]
    said = capsys.readouterr().err.splitlines()
    assert next(line for line in said if "windows" in line) == "small: 1/2 b:0 in 2 windows"
    assert not unfinished()


def test_the_last_sample_covers_the_last_window(measure, tmp_path):
    raw = measure(Small(works("a:0")), metering={**DOCUMENT["metering"], "idle_s": 0})
    lines = (tmp_path / "raw/trace.csv").read_text().splitlines()[1:]
    ends_ns = [int(line.split(",")[1]) for line in lines if ",energy," in line]
    assert max(ends_ns) > raw.windows[-1]["end_ns"]
    # Without idle none is recorded behind the windows.
    assert raw.kinds[-1] == "work"


@pytest.mark.parametrize("at", [0, 3])
def test_a_session_that_is_killed_between_windows_goes_on_and_measures_none_twice(
    measure, at, capsys
):
    names = ["a:0", "b:0", "a:1", "b:1"]

    def kill(name):
        if name == names[at]:
            # What a kill leaves of meters is as old as their last sample.
            time.sleep(0.3)
            os.kill(os.getpid(), signal.SIGKILL)

    fork = multiprocessing.get_context("fork")
    killed = fork.Process(target=measure, args=(Small(works(*names), before=kill),))
    killed.start()
    killed.join()
    assert killed.exitcode == -signal.SIGKILL
    study = Small(works(*names))
    raw = measure(study)
    assert study.log == ["open", "prepare", *names[at:], "close"]
    assert raw.measured() == names and len(raw.facts["segments"]) == 2
    assert [w["segment"] for w in raw.windows if w["kind"] == "work"] == [1] * at + [2] * (4 - at)
    said = capsys.readouterr().err
    assert (f"small: goes on after {at} finished windows" in said) == (at > 0)
    assert f"small: {at + 1}/4 {names[at]}" in said


def test_a_session_that_only_has_to_be_put_in_its_place_opens_nothing(measure, monkeypatch):
    def full(self, facts, measured):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr("metering.recording.Recording.finish", full)
        measure(Small(works("a:0")))
    study = Small(works("a:0"))
    raw = measure(study)
    assert study.log == [] and raw.measured() == ["a:0"]
    assert raw.facts["sampler"] is None and raw.facts["processes"] == 1


def test_a_session_goes_on_where_it_was_begun_and_nowhere_else(measure):
    with pytest.raises(KeyboardInterrupt):
        measure(Small(works("a:0", "b:0"), before=stop_at("b:0", KeyboardInterrupt())))
    elsewhere = Small(works("a:0", "b:0"), device="cuda:1")
    with pytest.raises(RuntimeError, match=r"begun on cuda:0 and would go on on cuda:1.*delete "):
        measure(elsewhere)
    assert elsewhere.log == []
    assert measure(Small(works("a:0", "b:0"))).measured() == ["a:0", "b:0"]


def test_cells_that_have_enough_windows_end_early_and_others_do_not(measure, capsys):
    names = [f"{cell}:{number}" for number in range(4) for cell in "ab"]
    study = Small(works(*names), {"a": WIDTH, "b": 4}, kind="inference")
    raw = measure(study)
    assert raw.measured("inference") == ["a:0", "b:0", "a:1", "b:1", "b:2", "b:3"]
    assert raw.facts["stopped"].keys() == {"a"}
    assert raw.facts["stopped"]["a"]["why"] == "narrow enough"
    assert raw.facts["stopped"]["a"]["with_energy"] == 2
    # Those that are not needed are not counted either.
    assert "small: 6/6 b:3" in capsys.readouterr().err


@pytest.mark.slow
def test_a_kind_that_is_new_says_its_units_itself(measure):
    units_j = {}
    for units in (1, 4):
        names = [f"a:{number}" for number in range(4)]
        raw = measure(Small(works(*names), {"a": WIDTH}, units={"units": units}))
        assert raw.facts["stopped"]["a"]["why"] == "narrow enough" and raw.measured() == names[:2]
        session = read_session(raw.folder)
        units_j[units] = [each.unit_j for each in repeated(session, 0)]
        shutil.rmtree(raw.folder)
    assert units_j[1] == pytest.approx([4 * each for each in units_j[4]], rel=0.5)


@pytest.mark.parametrize("units", [{}, {"inferences": 1}, {"units": 0}, {"units": None}], ids=str)
def test_a_cell_that_could_never_be_narrow_is_refused_at_its_first_window(measure, units):
    study = Small(works("a:0", "a:1", "a:2"), {"a": WIDTH}, units=units)
    with pytest.raises(ValueError, match="last window of 'a:0', a 'work', has no 'units'"):
        measure(study)
    assert study.log == ["open", "prepare", "a:0", "close"]


def test_a_fixed_number_of_windows_needs_no_units(measure):
    raw = measure(Small(works("a:0", "b:0"), {"a": 1}, units={}))
    assert raw.measured() == ["a:0", "b:0"]


@pytest.mark.slow
def test_cells_that_stay_wide_end_at_the_cap_and_the_user_is_told(measure, capsys):
    wide = dataclasses.replace(WIDTH, within=1e-9, at_most=3)
    raw = measure(Small(works("a:0", "a:1", "a:2"), {"a": wide}, kind="inference"))
    assert raw.facts["stopped"]["a"]["windows"] == 3
    assert "small: a: within" in capsys.readouterr().err


def test_where_numbers_are_fixed_no_cell_is_stopped_and_that_is_kept(measure):
    assert measure(Small(works("a:0"), {"a": 1})).facts["stopped"] == {}


@pytest.mark.slow
def test_the_device_cools_down_before_each_block_and_not_within_one(measure):
    items = [Work("a:0", "one"), Work("b:0", "one"), Work("a:1", "two"), Work("b:1", "two")]
    raw = measure(Small(items), protocol=COOLED)
    found = [(w["kind"], w.get("before", w.get("work"))) for w in raw.windows]
    assert [each for each in found if each[0] in ("cooldown", "work")] == [
        ("cooldown", "a:0"),
        ("work", "a:0"),
        ("work", "b:0"),
        ("cooldown", "a:1"),
        ("work", "a:1"),
        ("work", "b:1"),
    ]
    cooled = [window for window in raw.windows if window["kind"] == "cooldown"]
    assert all(window["reached"] for window in cooled)
    assert [window["reference_c"] for window in cooled] == [{"gpu:0": 41}] * 2


def test_what_is_in_no_block_is_never_cooled(measure):
    assert "cooldown" not in measure(Small(works("a:0", "b:0")), protocol=COOLED).kinds


REFUSED = {"stage": "parity", "why": "the outputs differ"}


@pytest.mark.parametrize(
    ("when", "log"), [("refused", []), ("late", ["open", "close"])], ids=["planned", "opened"]
)
def test_what_may_not_be_measured_says_why_and_can_be_tried_again(
    measure, tmp_path, when, log, capsys
):
    study = Small(works("a:0"), {"a": 1}, **{when: REFUSED})
    raw = measure(study)
    assert study.log == log and raw.windows == [] and not raw.protected
    assert raw.facts["segments"] == [] and raw.facts["sampler"] is None
    assert capsys.readouterr().err == "small: excluded, parity: the outputs differ\n"
    assert not unfinished()
    # As Snakemake does before it runs a job again.
    shutil.rmtree(tmp_path / "raw")
    again = measure(Small(works("a:0"), {"a": 1}))
    assert again.measured() == ["a:0"] and again.protected


def test_where_a_begun_session_is_excluded_what_it_measured_is_kept(measure, tmp_path):
    with pytest.raises(KeyboardInterrupt):
        measure(Small(works("a:0", "b:0"), before=stop_at("b:0", KeyboardInterrupt())))
    raw = measure(Small(works("a:0", "b:0"), late=REFUSED))
    assert raw.windows == [] and raw.facts["segments"] == []
    shutil.rmtree(tmp_path / "raw")
    again = Small(works("a:0", "b:0"))
    assert measure(again).measured() == ["a:0", "b:0"]
    assert again.log == ["open", "prepare", "b:0", "close"]


@pytest.fixture
def main(tmp_path, monkeypatch):
    """The program of a study, with the options of all."""
    monkeypatch.setenv("INFERENCE_ENERGY_LOCK", "")
    folders = ["--out", str(tmp_path / "raw"), "--partial", str(tmp_path / "partial")]

    def run(study, text=None, **options):
        args = program.options("A study.").parse_args(
            ["--spec", text or json.dumps(DOCUMENT), *folders]
        )
        spec, document = program.specification(Specification, args.spec)
        program.measure(args, spec, document, study, WorkError, **options)

    return run


def test_an_error_of_the_study_is_one_line_and_what_is_finished_is_kept(main, measure):
    names = ["a:0", "b:0", "c:0"]
    study = Small(works(*names), before=stop_at("c:0", WorkError("out of\nmemory")))
    with pytest.raises(SystemExit) as ended:
        main(lambda: study, prefix="small: ")
    assert ended.value.code == "error: small: out of memory"
    assert study.log[-1] == "close"
    study = Small(works(*names))
    main(lambda: study)
    assert study.log == ["open", "prepare", "c:0", "close"]


def test_an_error_that_no_study_declares_keeps_its_traceback_and_what_is_finished(main):
    study = Small(works("a:0", "b:0"), before=stop_at("b:0", ZeroDivisionError()))
    with pytest.raises(ZeroDivisionError):
        main(lambda: study)
    assert study.log == ["open", "prepare", "a:0", "close"]
    again = Small(works("a:0", "b:0"))
    main(lambda: again)
    assert again.log == ["open", "prepare", "b:0", "close"]


def test_windows_that_would_never_count_as_finished_are_refused(measure, monkeypatch):
    monkeypatch.setattr(Busy, "measure", lambda *_: [{"kind": "other", "other": "a:0", **wait(0)}])
    with pytest.raises(ValueError, match="last window of 'a:0' does not name it: work"):
        measure(Small(works("a:0")))


def test_ctrl_c_is_one_line_and_closes_what_is_open(main):
    study = Small(works("a:0"), before=stop_at("a:0", KeyboardInterrupt()))
    with pytest.raises(SystemExit, match=r"^small: interrupted; what is finished is kept"):
        main(lambda: study)
    assert study.log[-1] == "close"


def test_a_finished_session_is_not_made_again(main):
    main(lambda: Small(works("a:0")))
    main(lambda: pytest.fail("the study was made"))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{", "not JSON"),
        ("[]", "not a mapping"),
        (json.dumps(DOCUMENT | {"sed": 1}), "unknown key 'sed'; did you mean 'seed'?"),
        (json.dumps(DOCUMENT | {"seed": "one"}), "seed: 'one' is not allowed"),
        (json.dumps({"session": "small"}), "is missing"),
    ],
)
def test_what_does_not_specify_a_session_is_one_line_before_anything(main, tmp_path, text, words):
    with pytest.raises(SystemExit) as ended:
        main(lambda: pytest.fail("the study was made"), text)
    assert ended.value.code.startswith("error: --spec") and words in ended.value.code
    assert "\n" not in ended.value.code and not (tmp_path / "partial").exists()
