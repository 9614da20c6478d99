import json
import os
import platform
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import pytest

from metering import host


@pytest.fixture
def git(tmp_path, monkeypatch):
    """A checkout without commits, and a way to run git in it."""
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", os.devnull)
    monkeypatch.setenv("GIT_CONFIG_NOSYSTEM", "1")
    repo = tmp_path / "repo"
    repo.mkdir()

    def run(*command):
        identity = ["-c", "user.name=n", "-c", "user.email=e@example.org"]
        done = subprocess.run(
            ["git", *identity, *command], cwd=repo, check=True, capture_output=True, text=True
        )
        return done.stdout.strip()

    run("init")
    return repo, run


def write(root, files):
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def test_facts_of_a_described_machine(tmp_path, nvml):
    nvml({"uuid": "GPU-aaaa", "name": "NVIDIA A10"})
    proc, sys = tmp_path / "proc", tmp_path / "sys"
    cpu = "processor\t: {}\nmodel name\t: Xeon X\nflags\t\t: fpu hypervisor\n"
    write(
        proc,
        {
            "cpuinfo": "\n".join(cpu.format(i) for i in range(4)),
            "meminfo": "MemTotal:       1024 kB\nMemFree: 5 kB\n",
            "loadavg": "0.50 1.00 2.00 1/99 1234\n",
            "sys/kernel/random/boot_id": "b007\n",
            "self/cgroup": "0::/job/step\n",
        },
    )
    for i, (package, core) in enumerate([(0, 0), (0, 0), (1, 0), (1, 0)]):  # two threads a core
        folder = f"devices/system/cpu/cpu{i}"
        write(
            sys,
            {
                f"{folder}/topology/physical_package_id": f"{package}\n",
                f"{folder}/topology/core_id": f"{core}\n",
                f"{folder}/cpufreq/scaling_governor": "performance\n",
            },
        )
    write(
        sys,
        {
            "devices/system/cpu/intel_pstate/no_turbo": "1\n",
            "fs/cgroup/job/cpu.max": "150000 100000\n",
            "fs/cgroup/job/step/cpu.max": "max 100000\n",
            "class/dmi/id/product_name": "Box\n",
        },
    )
    facts = host.host_facts(proc, sys, environ={})
    assert facts["cpu_model"] == "Xeon X"
    assert (facts["sockets"], facts["physical_cores"], facts["logical_cpus"]) == (2, 2, 4)
    assert facts["memory_bytes"] == 1024 * 1024
    assert facts["governors"] == ["performance"] and facts["boost"] is False
    assert facts["load_average"] == [0.5, 1.0, 2.0]
    assert facts["cgroup_cpu_limit"] == 1.5  # the group above limits the group below
    assert facts["virtualisation"]["hypervisor"] is True
    assert facts["gpus"][0]["uuid"] == "GPU-aaaa"


def test_the_quota_of_a_version_1_group(tmp_path):
    write(tmp_path / "proc", {"self/cgroup": "3:memory:/x\n2:cpu,cpuacct:/job\n"})
    group = {"cpu.cfs_quota_us": "50000\n", "cpu.cfs_period_us": "100000\n"}
    write(tmp_path / "sys/fs/cgroup/cpu,cpuacct/job", group)
    facts = host.host_facts(tmp_path / "proc", tmp_path / "sys")
    assert facts["cgroup_cpu_limit"] == 0.5
    write(tmp_path / "sys/fs/cgroup/cpu,cpuacct/job", {"cpu.cfs_quota_us": "-1\n"})
    assert host.host_facts(tmp_path / "proc", tmp_path / "sys")["cgroup_cpu_limit"] is None


def test_what_cannot_be_read_is_none(tmp_path):
    facts = host.host_facts(tmp_path, tmp_path)
    unknown = ["cpu_model", "sockets", "physical_cores", "governors", "boost", "memory_bytes"]
    unknown += ["cgroup_cpu_limit", "load_average"]
    assert {name: facts[name] for name in unknown} == dict.fromkeys(unknown)
    assert facts["virtualisation"]["hypervisor"] is None


def test_facts_of_this_machine_are_json_and_name_nobody():
    text = json.dumps([host.host_facts(), host.software_facts()])
    assert "cpu_model" in text
    if len(platform.node()) > 3:  # a shorter name may occur by chance
        assert platform.node() not in text


def test_software_is_what_is_installed():
    facts = host.software_facts()
    assert facts["python"] == platform.python_version()
    assert facts["packages"]["pytest"] == metadata.version("pytest")


def test_a_clean_checkout_an_edited_one_and_one_with_a_new_file(git):
    repo, run = git
    (repo / "file").write_text("1")
    run("add", "file")
    run("commit", "-m", "first")
    clean = {"commit": run("rev-parse", "HEAD"), "dirty": False}
    assert host.code_facts(repo) == clean
    (repo / "file").write_text("2")
    assert host.code_facts(repo) == clean | {"dirty": True}
    run("checkout", "file")
    assert host.code_facts(repo) == clean
    (repo / "new").write_text("")
    assert host.code_facts(repo) == clean | {"dirty": True}


def test_a_checkout_without_commits_and_no_checkout(git, tmp_path):
    repo, _ = git
    assert host.code_facts(repo) == {"commit": None, "dirty": False}
    nothing = {"commit": None, "dirty": None}
    assert host.code_facts(tmp_path / "nowhere") == nothing
    (repo / "copy").mkdir()  # unpacked inside somebody else's checkout
    assert host.code_facts(repo / "copy") == nothing


def test_a_folder_of_a_checkout_has_the_state_of_the_whole(git):
    repo, run = git
    write(repo, {"scripts/program": "1", "file": "1"})
    run("add", ".")
    run("commit", "-m", "first")
    commit = run("rev-parse", "HEAD")
    assert host.code_facts(repo / "scripts") == {"commit": commit, "dirty": False}
    (repo / "file").write_text("2")
    assert host.code_facts(repo / "scripts") == {"commit": commit, "dirty": True}


def test_without_git_the_commit_is_unknown(git, monkeypatch):
    monkeypatch.setenv("PATH", "")
    assert host.code_facts(git[0]) == {"commit": None, "dirty": None}


def test_a_process_starts_before_its_interpreter_and_at_the_tick_of_its_stat(tmp_path):
    ticks_s = os.sysconf("SC_CLK_TCK")
    starts_ns = []
    for ticks in (0, 50 * ticks_s):
        fields = ["S", *["0"] * 18, str(ticks), "0"]
        (tmp_path / "self").mkdir(exist_ok=True)
        (tmp_path / "self/stat").write_text(f"7 (a ) name) {' '.join(fields)}\n")
        starts_ns.append(host.process_start_ns(tmp_path))
    # Fifty seconds of ticks apart; the clocks go on by far less between the two readings.
    assert round((starts_ns[1] - starts_ns[0]) / 1e9) == 50
    (tmp_path / "self/stat").unlink()
    assert host.process_start_ns(tmp_path) is None
    code = "import time; from metering.host import process_start_ns as s; n = time.monotonic_ns()"
    command = [sys.executable, "-c", f"{code}; print(n - s() > 0)"]
    scripts = Path(__file__).parents[2] / "scripts"
    done = subprocess.run(command, cwd=scripts, capture_output=True, text=True)
    assert done.stdout == "True\n", done.stderr


@pytest.mark.parametrize(
    ("cpus", "files", "group", "threads"),
    [
        (8, {"fs/cgroup/job/cpu.max": "300000 100000\n"}, "0::/job\n", 3),
        (8, {"fs/cgroup/job/cpu.max": "350000 100000\n"}, "0::/job\n", 3),
        (8, {"fs/cgroup/job/cpu.max": "50000 100000\n"}, "0::/job\n", 1),
        (2, {"fs/cgroup/job/cpu.max": "300000 100000\n"}, "0::/job\n", 2),
        (8, {"fs/cgroup/job/cpu.max": "max 100000\n"}, "0::/job\n", 8),
        # In a container the path is the host's, and the quota stands in its root.
        (8, {"fs/cgroup/cpu.max": "200000 100000\n"}, "0::/docker/abc\n", 2),
        (
            8,
            {
                "fs/cgroup/cpu,cpuacct/job/cpu.cfs_quota_us": "250000\n",
                "fs/cgroup/cpu,cpuacct/job/cpu.cfs_period_us": "100000\n",
            },
            "5:cpu,cpuacct:/job\n1:name=systemd:/\n",
            2,
        ),
        (
            8,
            {
                "fs/cgroup/cpu/cpu.cfs_quota_us": "400000\n",
                "fs/cgroup/cpu/cpu.cfs_period_us": "100000\n",
            },
            "5:cpu,cpuacct:/docker/abc\n",
            4,
        ),
        (8, {"fs/cgroup/cpu/cpu.cfs_quota_us": "-1\n"}, "5:cpu:/\n", 8),
        # What cannot be understood is no limit.
        (8, {"fs/cgroup/job/cpu.max": "many 100000\n"}, "0::/job\n", 8),
        (8, {"fs/cgroup/job/cpu.max": "100000 0\n"}, "0::/job\n", 8),
        (8, {"fs/cgroup/job/cpu.max": ""}, "0::/job\n", 8),
        (8, {}, "garbage\n::\n\n0::\n", 8),
    ],
)
def test_threads_by_themselves_respect_the_quota(
    monkeypatch, tmp_path, cpus, files, group, threads
):
    monkeypatch.setattr(host, "_affinity", lambda: list(range(cpus)))
    write(tmp_path, {"proc/self/cgroup": group, **{f"sys/{k}": v for k, v in files.items()}})
    assert host.thread_count("auto", tmp_path / "proc", tmp_path / "sys") == threads
    assert host.thread_count(7, tmp_path / "proc", tmp_path / "sys") == 7


def test_a_machine_that_says_odd_things_costs_single_facts_and_no_session(tmp_path):
    odd = {
        "cpuinfo": "model name\n: : :\nprocessor",
        "meminfo": "MemTotal: lots kB\n",
        "loadavg": "high higher highest\n",
        "self/cgroup": "::::\nx\n",
        "self/stat": "1 (python) S\n",
    }
    write(tmp_path / "proc", odd)
    facts = host.host_facts(tmp_path / "proc", tmp_path / "sys", environ={})
    assert facts["load_average"] is None and "ValueError" in facts["unread"]["load_average"]
    assert facts["memory_bytes"] is None and facts["architecture"]
    assert host.process_start_ns(tmp_path / "proc") is None
