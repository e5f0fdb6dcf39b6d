"""The entries of a segment that were read lately, bounded by bytes."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from threading import Lock

from app.index.candidates import Candidate

LIMIT = 32 * 2**20  # bytes, without vectors that are memory-mapped


class RecentEntries:
    """Two generations of entries, for several threads. When the young one is full, it becomes the old one.

    So an entry that is read stays, as in an LRU cache, and most reads are one look-up in a dictionary: a question reads
    some forty entries, for each of which an LRU cache would write its order.
    """

    def __init__(self, size: Callable[[Candidate], int], limit: int = LIMIT) -> None:
        """`size`: the bytes that an entry takes; `limit`: bytes of both generations."""
        self._size = size
        self._limit = limit // 2
        self._young: dict[int, Candidate] = {}
        self._old: Mapping[int, Candidate] = {}
        self._bytes = 0
        self._lock = Lock()

    def of(self, numbers: Sequence[int]) -> dict[int, Candidate]:
        """Those of the entries that are here, by their numbers."""
        young = self._young
        entries = {number: entry for number in numbers if (entry := young.get(number)) is not None}
        if len(entries) < len(numbers):
            old = self._old
            again = {number: old[number] for number in numbers if number not in entries and number in old}
            self.add(again.items())
            entries |= again
        return entries

    def add(self, entries: Iterable[tuple[int, Candidate]]) -> None:
        """Keep entries, each by its number. One that is larger than a generation is not kept."""
        with self._lock:
            for number, entry in entries:
                size = self._size(entry)
                if self._bytes + size > self._limit:
                    self._young, self._old, self._bytes = {}, self._young, 0
                if size <= self._limit and number not in self._young:
                    self._young[number] = entry
                    self._bytes += size
