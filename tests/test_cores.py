"""The number of usable cores, as Linux states it in the files of cgroups."""

import os
from pathlib import Path

import pytest

from app import cores

MANY = set(range(64))


@pytest.fixture
def linux(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A directory for the files of cgroups, on a machine of 64 cores."""
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: MANY)
    return tmp_path


def written(root: Path, files: dict[str, str]) -> int:
    """The usable cores where these files stand under `root`."""
    for name, content in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(content)
    return cores.usable(root / "cgroup", root / "fs")


@pytest.mark.parametrize(
    ("files", "usable"),
    [
        ({}, 64),
        ({"cgroup": "0::/\n", "fs/cpu.max": "max 100000\n"}, 64),
        ({"cgroup": "0::/\n", "fs/cpu.max": "400000 100000\n"}, 4),
        ({"cgroup": "0::/\n", "fs/cpu.max": "150000 100000\n"}, 2),
        ({"cgroup": "0::/\n", "fs/cpu.max": "1000 100000\n"}, 1),
        ({"cgroup": "0::/a/b\n", "fs/a/cpu.max": "300000 100000\n", "fs/a/b/cpu.max": "max 100000\n"}, 3),
        ({"cgroup": "0::/host/path\n", "fs/cpu.max": "200000 100000\n"}, 2),
        ({"cgroup": "3:cpuset:/\n1:cpu,cpuacct:/a\n", "fs/cpu/a/cpu.cfs_quota_us": "-1\n"}, 64),
        (
            {
                "cgroup": "1:cpu,cpuacct:/a\n0::/\n",
                "fs/cpu/a/cpu.cfs_quota_us": "600000\n",
                "fs/cpu/a/cpu.cfs_period_us": "100000\n",
            },
            6,
        ),
    ],
)
def test_quotas_of_both_versions_of_cgroups_limit_the_cores(linux: Path, files: dict[str, str], usable: int) -> None:
    assert written(linux, files) == usable


def test_affinity_limits_the_cores(linux: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {3, 5})
    assert written(linux, {"cgroup": "0::/\n", "fs/cpu.max": "400000 100000\n"}) == 2


@pytest.mark.parametrize(
    ("usable", "workers", "encoders"), [(1, 1, 1), (2, 1, 2), (4, 1, 4), (5, 2, 2), (8, 3, 2), (16, 5, 3), (64, 21, 3)]
)
def test_cores_are_shared_among_workers_and_encoders(
    usable: int, workers: int, encoders: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cores, "usable", lambda: usable)
    assert (cores.workers(0), cores.encoders(0)) == (workers, encoders)


def test_a_stated_number_of_workers_shares_the_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cores, "usable", lambda: 16)
    assert (cores.workers(8), cores.encoders(8)) == (8, 2)
    assert (cores.workers(32), cores.encoders(32)) == (32, 1)
