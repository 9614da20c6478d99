"""Tests that cannot judge in a process of their own are known by their text."""

import textwrap

import pytest

from generation.sandbox import incompatibility


def in_check(body):
    return "def check(candidate):\n" + textwrap.indent(body, "    ")


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ("import time\ntime.sleep = None", "time.sleep"),
        ("import os\nos.environ['A'] = '1'", "os.environ"),
        ("import sys\nsys.argv += ['x']", "sys.argv"),
        ("import os\ndel os.environ['A']", "os.environ"),
        ("import numpy as np\nnp.random.rand = None", "np.random.rand"),
        ("from unittest.mock import patch\nwith patch('time.time'): pass", "time.time"),
        ("from unittest import mock\nwith mock.patch.object(os, 'remove'): pass", "os.remove"),
        ("import inspect\nassert inspect.getsource(candidate)", "source"),
        ("import subprocess\nsubprocess.run(['x'])", "process"),
        ("import os\nos.chdir('/')", "working directory"),
        ("import pickle\nassert pickle.loads(candidate()) == 1", "runs what it is given"),
        ("assert eval(candidate(3)) == 4", "runs what it is given"),
        ("import marshal\nmarshal.loads(candidate())", "runs what it is given"),
        ("import decimal\ndecimal.getcontext().prec = 3", "context"),
        ("import warnings\nwith warnings.catch_warnings(record=True): candidate()", "watches"),
    ],
)
def test_what_a_test_changes_elsewhere_is_named(body, words):
    assert words in incompatibility(in_check(body))


@pytest.mark.parametrize("test", ["", "def check(", "check = 3", "assert f(1) == 2"])
def test_a_test_without_a_check_is_named(test):
    assert incompatibility(test)


@pytest.mark.parametrize(
    "body",
    [
        "assert candidate(1) == 2",
        "x = [1]; x[0] = 2; x.y = 3\nassert candidate(x) == x",
        "import time\nnow = time.time()\nassert candidate(now)",
        "import sys, io\nsys.stdin = io.StringIO('a')\nassert candidate()",
        "from unittest.mock import patch\nwith patch('builtins.input'): candidate()",
        "import random\nrng = random.Random(1)\nassert candidate(rng.random())",
        "model = candidate()\nmodel.eval()",
        "import pickle\nassert candidate(pickle.dumps(1))",
        "case = object()\ncase.expected = 3\nassert candidate(case)",
    ],
)
def test_what_crosses_is_fit(body):
    assert incompatibility(in_check(body)) is None
