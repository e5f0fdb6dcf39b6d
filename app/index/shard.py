"""The engine's files of a publish, which hold the payloads of its entries: `qdrant-edge-py` in this process.

shard/   without vectors, which earlier versions wrote too, and without a write-ahead log, since a release never changes
"""

import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from threading import Lock
from typing import Any

import qdrant_edge as edge

from app.errors import IndexUnavailable
from app.index.protocol import BM25

SHARD = "shard"
CONFIG = edge.EdgeConfig(  # the engine demands a named vector; no point has it
    vectors={}, sparse_vectors={BM25: edge.EdgeSparseVectorParams()}, wal_enabled=False
)


class Shard:
    """The shard of a publish, open for reading. The engine answers one call at a time; several threads may call."""

    def __init__(self, directory: Path) -> None:
        """Raises IndexUnavailable where the engine cannot open it."""
        self._name = directory.name
        self._lock = Lock()
        with engine(self._name):
            self._shard = edge.EdgeShard.load(str(directory / SHARD))

    def close(self) -> None:
        """Close the files; idempotent."""
        self._shard.close()

    def count(self, where: edge.Filter | None = None) -> int:
        """The number of entries that meet a condition."""
        with self._lock, engine(self._name):
            return self._shard.count(edge.CountRequest(filter=where, exact=True))

    def payloads(self, numbers: Sequence[int]) -> Iterator[tuple[int, dict[str, Any]]]:
        """The numbers and stored payloads of entries."""
        wanted: list[Any] = list(numbers)
        with self._lock, engine(self._name):
            records = self._shard.retrieve(wanted, with_payload=True, with_vector=False) if wanted else []
        for record in records:
            yield int(record.id), record.payload or {}


class ShardWriter:
    """Writes the shard of a publish, batch by batch. Closes with the `with` block."""

    def __init__(self, directory: Path, release: str) -> None:
        """`release`: its name, for messages."""
        self._release = release
        (directory / SHARD).mkdir()
        with engine(release):
            self._shard = edge.EdgeShard.create(str(directory / SHARD), CONFIG)

    def __enter__(self) -> "ShardWriter":
        return self

    def __exit__(self, *_: object) -> None:
        self._shard.close()

    def add(self, payloads: Mapping[int, Mapping[str, Any]]) -> None:
        """Add the payloads of entries by their numbers."""
        with engine(self._release):
            points = [edge.Point(number, {}, dict(payload)) for number, payload in payloads.items()]
            self._shard.update(edge.UpdateOperation.upsert_points(points))

    def finish(self) -> None:
        """Flush all to the disk."""
        with engine(self._release):
            self._shard.flush()


def check_space(directory: Path, needed: int) -> None:
    """Raises IndexUnavailable where the disk has less than `needed` bytes left.

    The engine writes to memory-mapped files, also when it opens an index; on a full disk the process would be killed.
    """
    free = shutil.disk_usage(directory).free
    if free < needed:
        raise IndexUnavailable(
            f"The disk of {directory.parent} is nearly full: {free // 2**20} MB are free, and opening or building an "
            f"index takes {needed // 2**20} MB. Make room and try again."
        )


@contextmanager
def engine(release: str) -> Iterator[None]:
    """Raises IndexUnavailable, naming the release, for the engine's errors and panics, which are no `Exception`."""
    try:
        yield
    except (KeyboardInterrupt, SystemExit, GeneratorExit):
        raise
    except BaseException as error:
        raise IndexUnavailable(f"Qdrant's engine cannot use the index {release}: {error}") from error
