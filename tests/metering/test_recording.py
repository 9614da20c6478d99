"""A session's files: a killed session goes on where it was, and a finished one is whole."""

import json
import os
import resource
import shutil

import pytest

from metering.meter import Reading
from metering.recording import Recording
from metering.torn import RecordingError, TornError, read_facts, refuse_duplicates
from metering.trace import TraceWriter, read_trace

SPEC = {"session": "small", "seed": 1}
FILES = {"session.json", "windows.jsonl", "trace.csv", "events.jsonl"}


@pytest.fixture
def start(tmp_path):
    """Starts or resumes the session, as the session's program does."""

    def make(name="small-1a2b"):
        folders = tmp_path / "partial" / name, tmp_path / "raw" / "small"
        return Recording(*folders, SPEC, "generation", "probe")

    make.partial = tmp_path / "partial" / "small-1a2b"
    make.final = tmp_path / "raw" / "small"
    return make


def sample(recording, *times_ns):
    writer = TraceWriter(recording.trace, recording.segment)
    writer.write(Reading(t, "gpu:0", "energy", t, "mJ", "nvml") for t in times_ns)
    writer.close()


def generation(name, start_ns, end_ns):
    kinds = ("prefill", "decode", "check", "generation")
    return [
        {"kind": kind, "generation": name, "start_ns": start_ns, "end_ns": end_ns} for kind in kinds
    ]


def run(recording, names, at_ns=0, idle=True):
    """One process's part: samples each 10 ns, and generations of 100 ns."""
    recording.begin({"host": "a"})
    if idle:
        recording.append([{"kind": "idle", "start_ns": at_ns, "end_ns": at_ns + 50}])
    for name in names:
        recording.append(generation(name, at_ns, at_ns + 100))
        at_ns += 100
    sample(recording, *range(at_ns - 100 * len(names), at_ns + 20, 10))


def windows(folder):
    return [json.loads(line) for line in (folder / "windows.jsonl").read_text().splitlines()]


def test_a_session_begins_with_nothing(start):
    recording = start()
    assert (recording.segment, recording.finished) == (1, set())


def test_a_resumed_session_knows_what_is_finished_and_counts_segments(start):
    run(start(), ["a", "b"])
    second = start()
    assert (second.segment, second.finished) == (2, {"a", "b"})
    run(second, ["c"], at_ns=1000)
    assert start().finished == {"a", "b", "c"}
    assert start().segment == 3
    assert [w["segment"] for w in windows(start.partial) if w["kind"] == "generation"] == [1, 1, 2]


def test_pieces_of_several_kinds_are_kept_and_finished_alike(start):
    recording = start()
    run(recording, ["a"])
    for name, end_ns in (("p", 80), ("q", 500)):
        probe = {"kind": "probe", "probe": name, "task": "T", "start_ns": 0, "end_ns": end_ns}
        recording.append([probe])
    # The second ended behind the last sample: no meter reaches it.
    assert start().finished == {"a", "p"}
    assert [w.get("probe") for w in windows(start.partial) if w["kind"] == "probe"] == ["p"]


@pytest.mark.parametrize(
    ("name", "torn"),
    [
        ("windows.jsonl", '{"segment": 1, "kind": "generation", "generation": "c", "end'),
        ("trace.csv", "1,300,gpu:0,ener"),
        ("events.jsonl", '{"segment": 1'),
        ("segments.jsonl", '{"segment": 2, "ho'),
    ],
)
def test_a_torn_last_line_is_cut_off(start, name, torn):
    run(start(), ["a"])
    path = start.partial / name
    whole = path.read_text() if path.exists() else ""
    path.write_text(whole + torn)
    second = start()
    assert path.read_text() == whole
    assert (second.segment, second.finished) == (2, {"a"})
    run(second, ["b"], at_ns=1000)
    second.finish({})
    assert {w["generation"] for w in windows(start.final) if "generation" in w} == {"a", "b"}
    assert {s.segment for s in read_trace(start.final / "trace.csv")} == {1, 2}


def test_a_file_of_one_torn_line_is_empty(start):
    start()
    (start.partial / "trace.csv").write_text("segment,t_ns,dom")
    (start.partial / "segments.jsonl").write_text('{"segm')
    recording = start()
    assert recording.segment == 1
    run(recording, ["a"])
    assert start().finished == {"a"}


def test_a_generation_without_its_own_line_is_dropped(start):
    recording = start()
    run(recording, ["a"])
    recording.append(generation("b", 100, 110)[:-1])
    assert start().finished == {"a"}
    kept = windows(start.partial)
    assert [w["kind"] for w in kept] == ["idle", "prefill", "decode", "check", "generation"]
    assert {w.get("generation") for w in kept} == {None, "a"}


def test_a_generation_after_the_last_sample_is_dropped(start):
    recording = start()
    run(recording, ["a"])
    recording.append(generation("b", 100, 111))
    recording.append(generation("c", 100, 110))
    assert start().finished == {"a", "c"}


def test_a_generation_that_one_of_the_meters_does_not_cover_is_dropped(start):
    recording = start()
    run(recording, ["a", "b"])
    # This one is read seldom; and what is no energy covers nothing.
    writer = TraceWriter(recording.trace, recording.segment)
    writer.write([Reading(t, "gpu:1", "power", t, "mW", "nvml") for t in (10, 150)])
    writer.write([Reading(900, "host", "own_s", 1.0, "s", "proc")])
    writer.close()
    assert start().finished == {"a"}


def test_samples_of_another_segment_do_not_cover_a_window(start):
    run(start(), ["a"])
    second = start()
    second.begin({})
    second.append(generation("b", 50, 60))
    third = start()
    assert third.finished == {"a"}
    # Another boot's clock begins anew: its samples cover nothing of the first's.
    run(third, ["c"], at_ns=5)
    assert start().finished == {"a", "c"}


def test_without_any_sample_nothing_is_finished(start):
    recording = start()
    recording.begin({})
    recording.append(generation("a", 0, 100))
    assert start().finished == set()


def test_samples_of_a_process_that_never_began_keep_their_segment(start):
    sample(start(), 100, 110)
    second = start()
    assert second.segment == 2
    run(second, ["a"])
    assert [s.segment for s in read_trace(second.trace)][:3] == [1, 1, 2]


def test_finish_puts_all_in_place_and_leaves_nothing_behind(start):
    recording = start()
    run(recording, ["a"])
    before = {name: (start.partial / name).read_text() for name in ("windows.jsonl", "trace.csv")}
    recording.finish({"spec_sha256": "1a2b"})
    assert {path.name for path in start.final.iterdir()} == FILES
    assert before == {name: (start.final / name).read_text() for name in before}
    assert not start.partial.exists()
    session = json.loads((start.final / "session.json").read_text())
    files = session.pop("files")
    assert {name: told["bytes"] for name, told in files.items()} == {
        name: (start.final / name).stat().st_size for name in FILES - {"session.json"}
    }
    assert session == {
        "format": 1,
        "spec": SPEC,
        "segments": [{"segment": 1, "host": "a", "first_window_s": None}],
        "spec_sha256": "1a2b",
    }


def test_session_json_comes_last_and_until_then_the_session_can_be_resumed(start, monkeypatch):
    recording = start()
    run(recording, ["a"])
    with monkeypatch.context() as patch:
        patch.setattr("metering.recording._write_atomically", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            recording.finish({})
    assert not (start.final / "session.json").exists()
    again = start()
    assert again.finished == {"a"}
    again.finish({})
    assert {path.name for path in start.final.iterdir()} == FILES
    assert not start.partial.exists()


def test_what_a_killed_rewrite_left_does_not_stop_the_end(start):
    recording = start()
    run(recording, ["a"])
    (start.partial / "windows.jsonl.partial").write_text("{")
    recording.finish({})
    assert not start.partial.exists()


def test_a_second_end_harms_nothing(start):
    recording = start()
    run(recording, ["a"])
    recording.finish({})
    before = {path.name: path.read_text() for path in start.final.iterdir()}
    with pytest.raises(RecordingError):
        recording.finish({})
    assert before == {path.name: path.read_text() for path in start.final.iterdir()}


def test_once_its_folder_is_deleted_a_session_is_measured_anew(start):
    recording = start()
    run(recording, ["a"])
    recording.finish({})
    shutil.rmtree(start.final)
    again = start()
    assert (again.segment, again.finished) == (1, set())
    run(again, ["b"])
    again.finish({})
    assert {w["generation"] for w in windows(start.final) if "generation" in w} == {"b"}


def test_another_configuration_is_another_folder(start):
    run(start(), ["a"])
    other = start("small-ffff")
    assert (other.segment, other.finished) == (1, set())
    assert start().finished == {"a"}


def test_output_text_survives(start):
    recording = start()
    text = "é ➞\u2028\r\n\x0c😀"
    recording.begin({})
    recording.append([{"kind": "generation", "generation": "a", "end_ns": 5, "text": text}])
    sample(recording, 1, 5)
    assert start().finished == {"a"}
    recording.append([{"kind": "decode", "generation": "b"}])  # the file is written anew
    assert start().finished == {"a"}
    assert windows(start.partial)[0]["text"] == text


def test_each_segment_says_how_long_it_took_to_its_first_measured_window(start):
    for at_ns, names in ((1000, ["a", "b"]), (5000, ["c"]), (9000, [])):
        recording = start()
        recording.begin({"process_start_ns": at_ns - 700})
        recording.append([{"kind": "idle", "start_ns": at_ns, "end_ns": at_ns + 50}])
        for number, name in enumerate(names):
            recording.append(generation(name, at_ns + 100 * number, at_ns + 100 * number + 90))
        sample(recording, at_ns, at_ns + 500)
    recording.finish({})
    segments = json.loads((start.final / "session.json").read_text())["segments"]
    assert [s["first_window_s"] for s in segments] == [700e-9, 700e-9, None]


@pytest.fixture
def small_disk():
    """Gives a limit to the size of files, above which writing fails as on a full disk."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    yield lambda size: resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.parametrize("room", [0, 30, 700])
def test_a_full_disk_is_one_line_and_loses_nothing_finished(start, small_disk, room):
    recording = start()
    run(recording, ["a"])
    size = (start.partial / "windows.jsonl").stat().st_size
    small_disk(size + room)
    with pytest.raises(
        RecordingError, match=r"cannot be written.*what is finished is kept"
    ) as told:
        for number in range(9):
            recording.append(generation(f"b{number}", 10, 20))
    assert "\n" not in str(told.value)
    small_disk(resource.RLIM_INFINITY)
    # As much of it as has found room: whole generations only.
    again = start()
    assert "a" in again.finished
    assert {w["generation"] for w in windows(start.partial) if "generation" in w} == again.finished


def test_a_full_disk_at_the_end_leaves_the_session_unfinished_and_whole(start, small_disk):
    recording = start()
    run(recording, ["a"])
    small_disk(100)
    with pytest.raises(RecordingError, match="what is finished is kept"):
        recording.finish({"long": "x" * 1000})
    small_disk(resource.RLIM_INFINITY)
    assert not start.final.exists() and start().finished == {"a"}
    start().finish({})
    assert {path.name for path in start.final.iterdir()} == FILES


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("windows.jsonl", '{"segment": 1, "ki\n'),
        ("windows.jsonl", "\0" * 40 + "\n"),
        ("windows.jsonl", "[1]\n"),
        ("windows.jsonl", "{}\n"),
        ("windows.jsonl", "\n"),
        ("segments.jsonl", "?\n"),
        ("trace.csv", "1,12,gpu:0\n"),
        ("trace.csv", "\0" * 4000 + "\n"),
        ("trace.csv", "\xff\xfe\n"),
    ],
)
def test_what_is_damaged_before_its_last_line_is_named_in_one_line(start, name, text):
    run(start(), ["a"])
    with (start.partial / name).open("ab") as file:
        file.write(text.encode("latin-1"))
    with pytest.raises(TornError) as told:
        start().segments  # noqa: B018
    assert str(start.partial / name) in str(told.value) and "delete" in str(told.value)
    assert "\n" not in str(told.value) and len(str(told.value)) < 1000


def test_zeros_of_a_power_cut_cost_what_they_are_of(start):
    run(start(), ["a"])
    for name in ("windows.jsonl", "trace.csv", "segments.jsonl"):
        with (start.partial / name).open("ab") as file:
            file.write(bytes(500))
    assert start().finished == {"a"}


def test_windows_of_a_segment_that_was_not_taken_down_are_measured_again(start):
    run(start(), ["a"])
    (start.partial / "segments.jsonl").write_bytes(b"")
    again = start()
    assert (again.segment, again.finished, windows(start.partial)) == (2, set(), [])


def test_what_was_measured_is_not_replaced(start):
    recording, late = start(), start()
    run(recording, ["a"])
    shutil.copytree(start.partial, aside := start.partial.with_name("aside"))
    recording.finish({})
    aside.rename(start.partial)
    before = {path.name: path.read_bytes() for path in start.final.iterdir()}
    with pytest.raises(RecordingError, match="it stays"):
        late.finish({})
    assert before == {path.name: path.read_bytes() for path in start.final.iterdir()}


def test_an_exclusion_keeps_what_was_measured_and_is_replaced(start):
    run(start(), ["a"])
    start().finish({"excluded": {"why": "a gate"}}, measured=False)
    assert read_facts(start.final)["segments"] == []
    assert os.access(start.final / "session.json", os.W_OK)
    again = start()
    assert again.finished == {"a"}
    again.finish({"excluded": None})
    assert read_facts(start.final)["segments"][0]["host"] == "a"
    assert not os.stat(start.final / "trace.csv").st_mode & 0o222


def test_the_end_stands_beside_what_else_is_there(start):
    start.final.mkdir(parents=True)
    (start.final / "page.md").write_text("made from it")
    recording = start()
    run(recording, ["a"])
    recording.finish({})
    assert {path.name for path in start.final.iterdir()} == FILES | {"page.md"}
    assert read_facts(start.final)


def folders(*names, starts=((1, 1),)):
    return {
        f"raw/{name}": {
            "spec": {"session": name},
            "segments": [{"started_utc": a, "process_start_ns": b} for a, b in starts],
        }
        for name in names
    }


def test_copies_are_refused_and_others_are_not():
    refuse_duplicates(folders("a") | folders("b", starts=((1, 2), (2, 1))))
    refuse_duplicates(folders("a", "b", starts=((1, None),)))  # an old session does not say
    with pytest.raises(RecordingError, match="same measurement"):
        refuse_duplicates(folders("a", "b"))
    with pytest.raises(RecordingError, match="raw/copy holds the session a"):
        refuse_duplicates({"raw/copy": folders("a")["raw/a"]})
