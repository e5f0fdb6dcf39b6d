"""Memory that the worker processes of one service share: counts, and when buckets of rate limits are full again.

It is a file without a name, which the parent makes and its worker processes inherit. With one process it is
used in the same way.
"""

import fcntl
import hashlib
import mmap
import os
import secrets
import struct
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing import reduction
from typing import Any, NamedTuple

MOST_WORKERS = 256
_SALT = 16  # bytes at the beginning; the names in the tables are hashed with it
_COUNTS = 64  # where the counts begin: a row of MOST_WORKERS integers for each kind
QUESTIONS, CONNECTIONS, TAKEN = "questions", "connections", "taken"  # in progress; open; taken from the parent so far
_KINDS = (QUESTIONS, CONNECTIONS, TAKEN)
_TABLES = _COUNTS + 8 * len(_KINDS) * MOST_WORKERS
_WAYS = struct.Struct("=" + "Qd" * 8)  # a row of a table: eight names with their times
_WAY = struct.Struct("=Qd")
ROWS = 2**14  # of a table; 131,072 names in 2 MB, of which only pages in use take memory
_SIZE = _TABLES + 2 * ROWS * _WAYS.size


class Row(NamedTuple):
    """The place of a name in a table, and its time; 0 where the name is not in the table."""

    offset: int
    name: int
    time: float


class Shared:
    """The memory, as one process sees it. A process writes only its own counts."""

    def __init__(self, descriptor: int, workers: int = 1, worker: int = 0) -> None:
        """`descriptor`: of `created`. `workers`: how many processes there are; `worker`: the number of this one."""
        self.descriptor = descriptor
        self._map = mmap.mmap(descriptor, _SIZE)
        self._numbers = memoryview(self._map)[_COUNTS:_TABLES].cast("q")
        self._salt = self._map[:_SALT]
        self._workers, self._worker = workers, worker

    @classmethod
    def created(cls, workers: int = 1) -> "Shared":
        """New memory, which ends with the last process that has it."""
        descriptor = _file()
        os.ftruncate(descriptor, _SIZE)
        os.pwrite(descriptor, secrets.token_bytes(_SALT), 0)
        return cls(descriptor, workers)

    def __reduce__(self) -> "tuple[Callable[..., Shared], tuple[object, int]]":
        """For a process that is being started, which gets a descriptor of its own."""
        return _inherited, (reduction.DupFd(self.descriptor), self._workers)

    def become(self, worker: int) -> None:
        """Say which process this is."""
        self._worker = worker

    def close(self) -> None:
        """Release the memory, for this process."""
        self._numbers.release()
        self._map.close()
        os.close(self.descriptor)

    def count(self, kind: str, number: int) -> None:
        """Set a count of this process."""
        self._numbers[_at(kind, self._worker)] = number

    def counted(self, kind: str, worker: int) -> int:
        """A count of one process."""
        return self._numbers[_at(kind, worker)]

    def total(self, kind: str) -> int:
        """The sum of a count over all processes. It may be behind by what the others do at this moment."""
        start = _at(kind, 0)
        return sum(self._numbers[start : start + self._workers])

    def forget(self, worker: int) -> None:
        """Set the counts of a process to 0, because it has ended."""
        for kind in _KINDS:
            self._numbers[_at(kind, worker)] = 0

    @contextmanager
    def row(self, table: int, name: str) -> Iterator[Row]:
        """The row of a name in a table, which no other process reads or writes meanwhile.

        A name that is not there gets the place with the earliest time of eight.
        """
        digest = hashlib.blake2b(name.encode(), digest_size=8, key=self._salt).digest()
        key = int.from_bytes(digest)
        start = _TABLES + (table * ROWS + key % ROWS) * _WAYS.size
        fcntl.lockf(self.descriptor, fcntl.LOCK_EX, 1, start)
        try:
            values = _WAYS.unpack_from(self._map, start)
            names, times = values[::2], values[1::2]
            if key in names:
                way = names.index(key)
                yield Row(start + way * _WAY.size, key, times[way])
            else:
                yield Row(start + times.index(min(times)) * _WAY.size, key, 0.0)
        finally:
            fcntl.lockf(self.descriptor, fcntl.LOCK_UN, 1, start)

    def write(self, row: Row, time: float) -> None:
        """Set the time of a row, inside its `row` block."""
        _WAY.pack_into(self._map, row.offset, row.name, time)


def _inherited(descriptor: Any, workers: int) -> Shared:  # noqa: ANN401 - multiprocessing's
    return Shared(descriptor.detach(), workers)


def _at(kind: str, worker: int) -> int:
    return _KINDS.index(kind) * MOST_WORKERS + worker


def _file() -> int:
    if hasattr(os, "memfd_create"):
        return os.memfd_create("faqtual")
    with tempfile.TemporaryFile() as file:
        return os.dup(file.fileno())
