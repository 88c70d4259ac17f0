"""Limits of control groups, read from made-up file systems."""

import os

import psutil
import pytest

from pmrnet.machine_limits import free_memory, usable_cores

GIB = 2**30


@pytest.fixture
def _machine(monkeypatch):
    """A machine of eight cores and 16 GiB."""
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(8)), raising=False)
    monkeypatch.setattr(
        psutil, "virtual_memory", lambda: type("Memory", (), {"available": 16 * GIB})
    )


def put(root, files):
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    return root


VERSION_2 = {
    "proc/self/cgroup": "0::/a.slice/job\n",
    "sys/fs/cgroup/cpu.max": "max 100000\n",
    "sys/fs/cgroup/a.slice/cpu.max": "600000 100000\n",
    "sys/fs/cgroup/a.slice/job/cpu.max": "150000 100000\n",
    "sys/fs/cgroup/a.slice/memory.max": f"{4 * GIB}\n",
    "sys/fs/cgroup/a.slice/memory.current": f"{3 * GIB}\n",
    "sys/fs/cgroup/a.slice/memory.stat": f"anon 5\ninactive_file {GIB}\nactive_file 7\n",
    "sys/fs/cgroup/a.slice/job/memory.max": "max\n",
    "sys/fs/cgroup/a.slice/job/memory.current": f"{GIB}\n",
}
VERSION_1 = {
    "proc/self/cgroup": "4:memory:/docker/5f\n3:cpu,cpuacct:/docker/5f\n",
    # Inside a container its own group is the root.
    "sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us": "300000\n",
    "sys/fs/cgroup/cpu,cpuacct/cpu.cfs_period_us": "100000\n",
    "sys/fs/cgroup/memory/memory.limit_in_bytes": f"{2 * GIB}\n",
    "sys/fs/cgroup/memory/memory.usage_in_bytes": f"{GIB}\n",
    "sys/fs/cgroup/memory/memory.stat": "cache 9\ntotal_inactive_file 1024\n",
}


@pytest.mark.usefixtures("_machine")
def test_the_least_of_all_groups_counts(tmp_path):
    put(tmp_path, VERSION_2)
    assert usable_cores(tmp_path) == 1.5
    assert free_memory(tmp_path) == 2 * GIB  # files kept in memory make room


@pytest.mark.usefixtures("_machine")
def test_the_first_version(tmp_path):
    put(tmp_path, VERSION_1)
    assert usable_cores(tmp_path) == 3
    assert free_memory(tmp_path) == GIB + 1024


@pytest.mark.usefixtures("_machine")
def test_no_limits(tmp_path):
    put(
        tmp_path,
        {
            "proc/self/cgroup": "1:cpu:/\n2:memory:/\n0::/\n",
            "sys/fs/cgroup/cpu/cpu.cfs_quota_us": "-1\n",
            "sys/fs/cgroup/cpu/cpu.cfs_period_us": "100000\n",
            "sys/fs/cgroup/memory/memory.limit_in_bytes": "9223372036854771712\n",
            "sys/fs/cgroup/memory/memory.usage_in_bytes": "5\n",
        },
    )
    assert usable_cores(tmp_path) == 8
    assert free_memory(tmp_path) == 16 * GIB


@pytest.mark.usefixtures("_machine")
def test_no_control_groups(tmp_path):
    assert usable_cores(tmp_path) == 8
    assert free_memory(tmp_path) == 16 * GIB


def test_this_machine():
    assert 0 < usable_cores() <= os.cpu_count()
    assert 0 < free_memory() <= psutil.virtual_memory().total
