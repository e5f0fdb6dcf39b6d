"""The segments that are open in this process: each once, for all releases that use it."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from app.index.protocol import IndexRecord
from app.index.segment import Segment

Key = tuple[str, str]  # name and age of a publish: a name may be used again


class OpenSegments:
    """Counts the users of each open segment, and forgets it after the last. Safe to share between threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._segments: dict[Key, Segment] = {}
        self._users: dict[Key, int] = {}

    def acquire(self, directory: Path, record: IndexRecord) -> Segment:
        """The segment of a publish, opened if it is not open yet. Raises IndexUnavailable."""
        key = _key(record)
        with self._lock:
            if key not in self._segments:
                self._segments[key] = Segment(directory, record)
                self._users[key] = 0
            self._users[key] += 1
            return self._segments[key]

    def release(self, segment: Segment) -> None:
        """Give back what `acquire` returned. The files of a segment are closed once nothing refers to it."""
        key = _key(segment.record)
        with self._lock:
            self._users[key] -= 1
            if not self._users[key]:
                del self._users[key], self._segments[key]

    @contextmanager
    def using(self, directory: Path, record: IndexRecord) -> Iterator[Segment]:
        """Acquire a segment for a block."""
        segment = self.acquire(directory, record)
        try:
            yield segment
        finally:
            self.release(segment)


def _key(record: IndexRecord) -> Key:
    return record.name, record.created_at
