from __future__ import annotations

import os

import pytest

from vae_edge.runtime import cpus


@pytest.fixture
def root(tmp_path, monkeypatch):
    """A file system of which every file is written by the test, on a host of eight CPUs."""
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: {0: set(range(8))}[process], raising=False)

    def write(**files: str):
        for name, text in files.items():
            path = tmp_path / name.replace("__", "/").replace("_", ".")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        return tmp_path

    return write


def test_affinity_counts_where_there_is_no_quota(root):
    assert cpus.available(root()) == 8
    assert cpus.available(root(proc__self__cgroup="0::/a\n", sys__fs__cgroup__a__cpu_max="max 100000\n")) == 8


@pytest.mark.parametrize(("quota", "expected"), [("150000", 2), ("100000", 1), ("20000", 1), ("9900000", 8), ("x", 8)])
def test_a_quota_counts_rounded_up(root, quota, expected):
    assert (
        cpus.available(root(proc__self__cgroup="0::/a\n", sys__fs__cgroup__a__cpu_max=f"{quota} 100000\n")) == expected
    )


def test_the_smallest_quota_of_all_groups_above_counts(root):
    files = {"sys__fs__cgroup__a__b__cpu_max": "max 100000", "sys__fs__cgroup__a__cpu_max": "300000 100000"}
    assert cpus.available(root(proc__self__cgroup="0::/a/b\n", **files)) == 3


def test_in_a_container_the_mount_itself_counts(root):
    assert cpus.available(root(proc__self__cgroup="0::/docker/f00\n", sys__fs__cgroup__cpu_max="200000 100000")) == 2


def test_the_first_version_of_cgroups_is_read(root):
    base = root(proc__self__cgroup="12:memory:/m\n4:cpu,cpuacct:/a\n0::/\n")
    folder = base / "sys/fs/cgroup/cpu/a"
    folder.mkdir(parents=True)
    (folder / "cpu.cfs_period_us").write_text("100000")
    (folder / "cpu.cfs_quota_us").write_text("400000")
    assert cpus.available(base) == 4
    (folder / "cpu.cfs_quota_us").write_text("-1")
    assert cpus.available(base) == 8


def test_here_there_is_at_least_one():
    assert 1 <= cpus.available() <= (os.cpu_count() or 1)
