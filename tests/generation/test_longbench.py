"""LongBench's code tasks: read as published, from a folder or a hub on this machine, or refused."""

import hashlib
import io
import json
import os
import subprocess
import threading
import zipfile
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import SimpleNamespace

import pytest

from generation.workloads import WORKLOADS, WorkloadError

SCRIPTS = Path(__file__).parents[2] / "scripts"
COMMIT = "0123456789abcdef0123456789abcdef01234567"
REPO = "owner/bench"
ROW = {"input": "", "context": "a = 1\nb = a\n", "answers": ["c = b"], "language": "python"}
HEAD, TAIL = "Please complete the code given below. \n", "Next line of code:\n"


def lines_of(rows):
    return "".join((row if isinstance(row, str) else json.dumps(row)) + "\n" for row in rows)


@pytest.fixture
def bench(tmp_path):
    """A folder in the layout of LongBench, and how its tasks are asked for."""

    def make(rows=(ROW,), name="lcc.jsonl", **options):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(lines_of(rows))
        asked = {"folder": str(tmp_path), "repo": REPO, "revision": "main", "sha256": {}} | options
        return WORKLOADS["longbench-cu"].load(asked)

    return make


def test_a_local_copy_is_read(bench, tmp_path, capsys):
    second = {**ROW, "context": "x", "input": "y\n", "answers": ["z", "other"], "language": "java"}
    bench(name="repobench-p.jsonl", rows=[second])
    tasks = {task.task_id: task for task in bench([ROW, ROW])}
    assert list(tasks) == ["lcc/0", "lcc/1", "repobench-p/0"]
    assert tasks["lcc/1"].source == "lcc.jsonl, line 2 (python)"
    told = capsys.readouterr().err
    assert "lcc.jsonl: 2 tasks" in told and "repobench-p.jsonl: 1 tasks" in told
    # As in LongBench's dataset2prompt.json, and without a chat template.
    posed = WORKLOADS["longbench-cu"].pose(tasks["lcc/0"], "chat")
    assert posed.text == f"{HEAD}a = 1\nb = a\n{TAIL}"
    assert (posed.style, posed.reference) == ("completion", "c = b")
    last = WORKLOADS["longbench-cu-long"].pose(tasks["repobench-p/0"], "completion")
    assert last.text == f"{HEAD}xy\n{TAIL}"
    assert last.reference == "z"


def test_the_folder_that_the_archive_unpacks_to_is_read_as_well(bench):
    assert [task.task_id for task in bench(name="data/repobench-p.jsonl")] == ["repobench-p/0"]


def test_lines_end_where_json_lines_end(bench):
    """A text may hold what other rules take for the end of a line."""
    context = "a = '\u2028\x0b\x85'\r\nb = 1\n"
    task, _ = bench([json.dumps({**ROW, "context": context}, ensure_ascii=False), "", ROW])
    assert task.context == context


def without(field):
    return {key: value for key, value in ROW.items() if key != field}


@pytest.mark.parametrize(
    ("row", "words"),
    [
        *((without(field), f"the field '{field}' is missing") for field in ROW),
        ({**ROW, "context": 3}, "'context' must be a text"),
        ({**ROW, "answers": "c = b"}, "'answers' must be a list"),
        ({**ROW, "answers": []}, "'answers' must be a list of texts, and not empty"),
        ({**ROW, "answers": [1]}, "'answers' must be a list of texts, and not empty"),
        ("{broken", "no JSON"),
        ("[1]", "must be an object"),
    ],
)
def test_a_row_that_cannot_be_used_is_named(bench, row, words):
    with pytest.raises(WorkloadError) as caught:
        bench([ROW, row])
    assert f"lcc.jsonl, line 2: {words}" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_file_that_is_no_text_is_refused(bench, tmp_path):
    (tmp_path / "repobench-p.jsonl").write_bytes(b"\xff\xfe{}")
    with pytest.raises(WorkloadError, match=r"repobench-p\.jsonl, line 1: no UTF-8"):
        bench()


def test_a_local_copy_is_compared_with_its_digest(bench, tmp_path, capsys):
    bench()
    digest = hashlib.sha256((tmp_path / "lcc.jsonl").read_bytes()).hexdigest()
    assert digest in capsys.readouterr().err
    assert bench(sha256={"lcc.jsonl": digest})
    with pytest.raises(WorkloadError, match=f"lcc.jsonl: sha256 is {digest}, expected 000"):
        bench(sha256={"lcc.jsonl": "0" * 64})


def test_a_folder_without_the_files_and_an_empty_file_are_refused(bench, tmp_path):
    with pytest.raises(WorkloadError, match="it is empty"):
        bench([])
    (tmp_path / "lcc.jsonl").unlink()
    with pytest.raises(WorkloadError, match=r"neither lcc\.jsonl nor repobench-p\.jsonl is there"):
        bench(name="other.jsonl")


class Letters:
    """A tokenizer: a token a character."""

    def __call__(self, text, **_):
        return SimpleNamespace(input_ids=[ord(letter) for letter in text])


def test_a_prompt_longer_than_the_room_keeps_half_of_it_from_each_end(bench):
    context = "".join(f"line {n}\n" for n in range(100))
    (task,) = bench([{**ROW, "context": context}])
    posed = WORKLOADS["longbench-cu"].pose(task, "completion")
    whole = [ord(letter) for letter in posed.text]
    assert posed.tokens(Letters(), len(whole)) == whole
    cut = posed.tokens(Letters(), 200)
    assert cut == whole[:100] + whole[-100:]
    # As LongBench's int(max_length / 2) does.
    assert posed.tokens(Letters(), 201) == cut
    for room in (1, 0, -5):
        with pytest.raises(WorkloadError, match=f"longer than the {room} that the model takes"):
            posed.tokens(Letters(), room)


def archive(**files):
    """A data.zip with these rows."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as zipped:
        for name, rows in files.items():
            zipped.writestr(f"data/{name.replace('_', '-')}.jsonl", lines_of(rows))
    return packed.getvalue()


class FakeHub(ThreadingHTTPServer):
    """The part of the hub's HTTP that the download uses.

    Attributes:
        data: The bytes of data.zip.
        stated: The digest that the hub states; None for a file without one.
        asked: The paths of all requests.
    """

    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Answers)
        self.asked = []
        self.serve(archive(lcc=[ROW, ROW], repobench_p=[ROW]))

    def serve(self, data):
        self.data, self.stated = data, hashlib.sha256(data).hexdigest()


class Answers(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def do_HEAD(self):
        self.do_GET(body=False)

    def do_GET(self, body=True):
        hub, path = self.server, self.path.partition("?")[0]
        hub.asked.append(path)
        headers = {"ETag": '"0"', "X-Repo-Commit": COMMIT}
        if path in {f"/api/datasets/{REPO}/revision/{name}" for name in ("main", COMMIT)}:
            file = {"rfilename": "data.zip", "size": len(hub.data)}
            if hub.stated:
                file["lfs"] = {"sha256": hub.stated, "size": len(hub.data), "pointerSize": 1}
            data = json.dumps({"id": REPO, "sha": COMMIT, "siblings": [file], "tags": []}).encode()
        elif path == f"/datasets/{REPO}/resolve/{COMMIT}/data.zip":
            data = hub.data
            headers |= {"X-Linked-Etag": f'"{hub.stated}"', "X-Linked-Size": str(len(data))}
        else:
            self.send_response(404)
            self.send_header("X-Error-Code", "RepoNotFound")
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        self.send_response(200)
        for key, value in {**headers, "Content-Length": str(len(data))}.items():
            self.send_header(key, value)
        self.end_headers()
        if body:
            self.wfile.write(data)


@pytest.fixture
def hub():
    server = FakeHub()
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    yield server
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def fetch(hub, analysis_python, tmp_path):
    """scripts/workload.py under the interpreter of its environment, with a cache of its own: the
    ids of the tasks, or the line that refuses, and what was told before."""

    def run(**options):
        asked = {"folder": None, "repo": REPO, "revision": COMMIT, "sha256": {}} | options
        out = tmp_path / "longbench.jsonl"
        out.unlink(missing_ok=True)
        command = [analysis_python, SCRIPTS / "workload.py", "longbench", "--out", out]
        kept = {k: v for k, v in os.environ.items() if not k.lower().endswith("_proxy")}
        mine = {
            "HF_ENDPOINT": f"http://127.0.0.1:{hub.server_port}",
            "HF_HOME": str(tmp_path / "hf"),
            "HF_HUB_DISABLE_XET": "1",
            "PYTHONPATH": str(SCRIPTS),
        }
        done = subprocess.run(
            [*command, "--options", json.dumps(asked)],
            capture_output=True,
            text=True,
            env={**{k: v for k, v in kept.items() if not k.startswith("HF_")}, **mine},
            timeout=120,
        )
        assert "Traceback" not in done.stderr, done.stderr
        if done.returncode == 0:
            ids = [json.loads(line)["task_id"] for line in out.read_text().splitlines()]
            return ids, done.stderr
        assert not out.exists()
        line = done.stderr.splitlines()[-1]
        assert line.startswith("error: workload 'longbench': "), done.stderr
        return line, done.stderr

    return run


IDS = ["lcc/0", "lcc/1", "repobench-p/0"]


def test_the_hubs_archive_is_read_and_its_digest_told(hub, fetch):
    ids, told = fetch()
    assert ids == IDS
    assert f"'data.zip' has sha256 {hub.stated}" in told
    assert "data.zip/data/lcc.jsonl: 2 tasks" in told
    assert hashlib.sha256(lines_of([ROW]).encode()).hexdigest() in told


def test_a_branch_is_resolved_and_its_commit_told(fetch):
    ids, told = fetch(revision="main")
    assert ids == IDS
    assert f"to pin it, write revision: {COMMIT}" in told


def test_what_is_pinned_and_in_the_cache_needs_no_hub(hub, fetch):
    fetch()
    digest = hub.stated
    hub.asked.clear()
    assert fetch(sha256={"data.zip": digest})[0] == IDS
    assert not [path for path in hub.asked if REPO in path]


def test_an_archive_that_differs_from_the_hubs_or_ones_own_digest_is_refused_and_not_kept(
    hub, fetch
):
    found = hub.stated
    line, _ = fetch(sha256={"data.zip": "0" * 64})
    assert f"'data.zip' has sha256 {found}, expected {'0' * 64}; the file was deleted" in line
    hub.stated = "1" * 64
    line, _ = fetch()
    assert f"has sha256 {found}, expected {'1' * 64}" in line
    hub.stated = found
    assert fetch()[0] == IDS


def test_a_file_of_the_archive_is_compared_with_its_digest_too(fetch):
    line, _ = fetch(sha256={"repobench-p.jsonl": "0" * 64})
    assert "data.zip/data/repobench-p.jsonl: sha256 is" in line


def test_an_archive_that_cannot_be_used_is_named(hub, fetch):
    hub.serve(archive(lcc=[ROW]))
    assert f"{REPO}@{COMMIT}/data.zip: there is no data/repobench-p.jsonl" in fetch()[0]


def test_what_is_no_archive_is_refused(hub, fetch):
    hub.serve(b"no zip")
    assert "data.zip: no archive that can be read" in fetch()[0]


def test_a_hub_without_the_repository_is_told_in_one_line_with_the_way_out(fetch):
    line, _ = fetch(repo="owner/other")
    assert "owner/other" in line and "the download failed" in line
    assert "(phases.longbench.folder)" in line


def test_without_any_digest_the_archive_is_not_taken(hub, fetch):
    hub.stated = None
    assert "the hub states no digest of data.zip; give sha256" in fetch()[0]
