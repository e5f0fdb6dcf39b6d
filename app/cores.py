"""How many cores this process may use, and how they are shared among worker processes and encoders."""

import math
import os
from collections.abc import Callable, Iterator
from pathlib import Path, PurePosixPath

CORES_A_WORKER = 3  # a process can use no more: a third of its work needs Python's lock; see docs/performance.md
MOST_ENCODERS = 4  # of one event loop; more would wait for the lock
PROC, CGROUPS = Path("/proc/self/cgroup"), Path("/sys/fs/cgroup")


def usable(proc: Path = PROC, cgroups: Path = CGROUPS) -> int:
    """The number of cores that CPU affinity, cpusets and cgroup quotas allow, at least 1; a part counts as a whole.

    `proc` and `cgroups`: where Linux says which cgroup a process is in, and where cgroups are mounted.
    """
    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, min(allowed, math.ceil(min(_quotas(proc, cgroups), default=allowed))))


def workers(setting: int) -> int:
    """The number of worker processes. `setting`: FAQ_WORKERS, where 0 chooses it by the number of cores."""
    return setting or max(1, round(usable() / CORES_A_WORKER))


def encoders(setting: int) -> int:
    """The number of encoders of each worker process, each of which takes a thread. `setting`: FAQ_WORKERS."""
    return max(1, min(MOST_ENCODERS, usable() // workers(setting)))


def _quotas(proc: Path, cgroups: Path) -> Iterator[float]:
    """The quotas, in cores, of the process's cgroup and of those above it: version 2 and version 1."""
    try:
        lines = proc.read_text(encoding="utf-8").splitlines()
    except OSError:  # not Linux
        return
    for line in lines:
        _, controllers, path = line.split(":", 2)
        if not controllers:
            yield from _limits(cgroups, path, _version_2)
        elif "cpu" in controllers.split(","):
            yield from _limits(cgroups / "cpu", path, _version_1)


def _limits(mount: Path, path: str, read: Callable[[Path], float | None]) -> Iterator[float]:
    """The limits of a cgroup and those above it. In a container the path may be the host's: what is not there counts
    as unlimited, and the mount itself is the container's own cgroup."""
    parts = PurePosixPath(path).parts[1:]
    for depth in range(len(parts), -1, -1):
        try:
            limit = read(mount.joinpath(*parts[:depth]))
        except (OSError, ValueError):
            continue
        if limit is not None:
            yield limit


def _version_2(directory: Path) -> float | None:
    quota, period = (directory / "cpu.max").read_text(encoding="ascii").split()
    return None if quota == "max" else int(quota) / int(period)


def _version_1(directory: Path) -> float | None:
    quota = int((directory / "cpu.cfs_quota_us").read_text(encoding="ascii"))
    return None if quota <= 0 else quota / int((directory / "cpu.cfs_period_us").read_text(encoding="ascii"))
