"""pyRAPL itself, over a fake tree at the path that it hard-codes, in a private mount namespace."""

import importlib.util
import json
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPTS = Path(__file__).parents[2] / "scripts"
NAMESPACE = ["unshare", "--map-root-user", "--mount", "sh", "-ec"]
MOUNT = """
mount -t tmpfs none /sys/class
cp -a "$1" /sys/class/powercap
mount -t tmpfs none /sys/devices/system/cpu
cp -a "$2"/. /sys/devices/system/cpu
shift 2
exec "$@"
"""
READ = """
import json, sys
from metering import rapl
meters, missing = rapl.find()
read = lambda: {m.domain.domain: [m.read()[0].value, m.domain.source] for m in meters}
first = read()
with open("/sys/class/powercap/intel-rapl:0/energy_uj", "r+") as file:
    file.write("7\\n")
    file.truncate()
print(json.dumps([first, read(), [m.why for m in missing]]))
"""
SAMPLE = """
import json, sys
from metering.sampler import Sampler
from metering.trace import read_trace
with Sampler(sys.argv[1] + "/trace.csv", sys.argv[1] + "/events.jsonl", want=["cpu"]) as sampler:
    pass
samples = [[s.domain, s.source, s.value] for s in read_trace(sys.argv[1] + "/trace.csv")]
print(json.dumps([samples, sampler.stats["samples"]]))
"""


def namespaces_work() -> bool:
    try:
        probe = subprocess.run([*NAMESPACE, "mount -t tmpfs none /sys/class"], capture_output=True)
    except FileNotFoundError:
        return False
    return probe.returncode == 0


needs_pyrapl = pytest.mark.skipif(
    importlib.util.find_spec("pyRAPL") is None, reason="pyRAPL is not installed"
)
pytestmark = pytest.mark.skipif(
    not namespaces_work(), reason="private mount namespaces are not permitted here"
)


@pytest.fixture
def over_tree(powercap, tmp_path):
    """Runs Python code with the fake tree, and so many sockets, at the real paths."""

    def run(code: str, sockets: int):
        cpus = tmp_path / "cpus"
        for cpu in range(sockets):
            (cpus / f"cpu{cpu}" / "topology").mkdir(parents=True)
            (cpus / f"cpu{cpu}" / "topology" / "physical_package_id").write_text(f"{cpu}\n")
        (cpus / "present").write_text(f"0-{sockets - 1}\n" if sockets > 1 else "0\n")
        python = [sys.executable, "-c", f"import sys; sys.path.insert(0, {str(SCRIPTS)!r})\n{code}"]
        command = [*NAMESPACE, MOUNT, "sh", str(powercap.root), str(cpus), *python, str(tmp_path)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, done.stderr
        assert done.stderr == ""  # pyRAPL's own warnings stay out of the log
        return json.loads(done.stdout)

    return run


@needs_pyrapl
def test_plain_packages_are_read_by_pyrapl(powercap, over_tree):
    powercap.zone("0", "package-0", 262_143_328_849)
    powercap.zone("0:0", "core", 5)
    powercap.zone("0:1", "dram", 20)
    powercap.zone("1", "package-1", 30)
    powercap.zone("1:0", "dram", 40)
    powercap.zone("2", "psys", 99)
    first, second, missing = over_tree(READ, 2)
    assert first == {
        "cpu:package-0": [262_143_328_849, "pyRAPL"],
        "cpu:dram-0": [20, "pyRAPL"],
        "cpu:package-1": [30, "pyRAPL"],
        "cpu:dram-1": [40, "pyRAPL"],
    }
    assert second == first | {"cpu:package-0": [7, "pyRAPL"]}  # a wrap: raw, and not lost
    assert missing == []


@needs_pyrapl
def test_dies_are_read_from_powercap_because_pyrapl_does_not_know_them(powercap, over_tree):
    powercap.zone("0", "package-0-die-0", 10)
    powercap.zone("1", "package-0-die-1", 30)
    first, _, (why,) = over_tree(READ, 1)
    assert first == {
        "cpu:package-0-die-0": [10, "powercap"],
        "cpu:package-0-die-1": [30, "powercap"],
    }
    assert "several dies" in why


@needs_pyrapl
def test_a_machine_that_pyrapl_refuses_is_read_from_powercap(powercap, over_tree):
    powercap.zone("0", "package-0", 10)  # the second socket has no zone
    powercap.zone("0:0", "dram", 20)
    powercap.zone("1", "package-1", 30)  # and this one no memory: pyRAPL wants all or none
    powercap.zone("3", "package-2", 50)  # nor does it look beyond a gap
    first, _, (why,) = over_tree(READ, 3)
    assert {source for _, source in first.values()} == {"powercap"} and len(first) == 4
    assert "pyRAPL cannot use this machine" in why


@needs_pyrapl
def test_the_sampler_process_reads_by_pyrapl(powercap, over_tree):
    powercap.zone("0", "package-0", 1234)
    samples, rounds = over_tree(SAMPLE, 1)
    counted = [sample for sample in samples if sample[1] == "pyRAPL"]
    assert counted == [["cpu:package-0", "pyRAPL", 1234]] * rounds
    # Once a second the file itself, to hold pyRAPL's reading against.
    assert ["cpu:package-0", "powercap", 1234] in samples


def test_without_pyrapl_the_same_counters_are_read_from_powercap(powercap, over_tree):
    powercap.zone("0", "package-0", 10)
    first, second, (why,) = over_tree("sys.modules['pyRAPL'] = None\n" + READ, 1)
    assert first == {"cpu:package-0": [10, "powercap"]}
    assert second == {"cpu:package-0": [7, "powercap"]}
    assert "pyRAPL is not installed" in why
