"""Simulated campaigns of phases through the functions that make the tables: intervals hold the
truth. The long version: tests/benchmarks/coverage/phases_study.py."""

import math
import sys
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).parents[1] / "benchmarks" / "coverage"))

import phases_study as study

SEEDS = 24
# The least that so many seeds of a coverage of 93 % show, but for one time in some thousands.
LEAST = 0.93 - 3.5 * math.sqrt(0.93 * 0.07 / SEEDS)
PROCESS = {"energy per generation", "energy per decoded token", "duration", "amplification"}
WITHIN = {"prefill share", "babble share of tokens", "saved share"}
TRUTH = study.truths()


@pytest.mark.parametrize(("rounds", "tasks"), [(1, 7), (2, 7), (3, 12)])
def test_intervals_of_the_tables_hold_the_truth(rounds, tasks):
    found = study.coverage(rounds, tasks, range(SEEDS), TRUTH)
    assert set(found) > WITHIN
    # Joules and seconds of one process have no interval; those of several do.
    assert PROCESS & set(found) == (set() if rounds == 1 else PROCESS)
    for name, (held, there) in found.items():
        assert there == 1, name
        assert held >= LEAST, (name, held)


def test_an_interval_over_prompts_alone_would_not_pass():
    """What the mean over the tasks of one process would say of another: the control."""
    held = 0
    for seed in range(SEEDS):
        value, *_ = study.said(1, 12, seed, round=0.3)["energy per decoded token"]
        half = 0.1 * value / math.sqrt(12)
        held += abs(value - TRUTH["energy per decoded token"]) <= 2 * half
    assert held / SEEDS < LEAST
