"""What the report of protections says is so, on or off."""

import hostile_corpus
import pytest

from generation.sandbox import LAYERS, Pool, SandboxError

NAMES = [
    "own process",
    "wall time",
    "CPU time",
    "memory",
    "processes",
    "files",
    "output",
    "environment",
    "working directory",
    "file system",
    "network",
    "signals and tracing",
    "killed as a group",
]
ALWAYS = {"own process", "wall time", "CPU time", "memory", "output", "environment"}


def report(layers):
    with Pool(timeout_s=2.5, memory_mb=256, layers=layers) as pool:
        return {p.name: p for p in pool.protections}


@pytest.mark.parametrize("layers", [LAYERS, ()])
def test_every_protection_is_named_once_and_explained(layers):
    with Pool(layers=layers) as pool:
        assert [p.name for p in pool.protections] == NAMES
        assert all(p.detail and "\n" not in p.detail for p in pool.protections)


def test_limits_are_stated_as_they_were_asked_for():
    there = report(LAYERS)
    assert "2.5 s" in there["wall time"].detail
    assert "256 MB" in there["memory"].detail


def test_without_layers_the_report_says_so():
    there = report(())
    for name in ("files", "file system", "network", "signals and tracing", "killed as a group"):
        assert not there[name].on
        assert "switched off" in there[name].detail
    assert all(there[name].on for name in ALWAYS)


@pytest.mark.parametrize(
    ("protection", "probe"),
    [
        ("network", "send_datagram"),
        ("network", "unix_socket"),
        ("file system", "read_other_file"),
        ("file system", "write_outside"),
        ("signals and tracing", "kill_other"),
    ],
)
@pytest.mark.parametrize("layers", [LAYERS, *((layer,) for layer in LAYERS), ()], ids=str)
def test_a_probe_gets_through_only_where_the_protection_is_off(layers, protection, probe):
    run = hostile_corpus.run(layers, [probe])
    outcome = run["outcomes"][probe]
    assert outcome["passed"] == (not run["protections"][protection])
    assert bool(outcome["harm"]) == (outcome["passed"] and probe != "read_other_file")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"workers": 0}, "workers=0"),
        ({"timeout_s": 0}, "timeout_s=0"),
        ({"memory_mb": 1}, "memory_mb=1"),
        ({"layers": ("landlok",)}, "landlok"),
    ],
)
def test_a_pool_that_cannot_be_is_refused_in_one_line(arguments, words):
    with pytest.raises(SandboxError, match=words) as caught:
        Pool(**arguments)
    assert "\n" not in str(caught.value)
