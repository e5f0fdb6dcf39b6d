"""The rows that a process has read from a Qdrant server, as many as FAQ_ROW_CACHE_MB holds."""

from collections.abc import Iterable, Mapping
from contextlib import suppress

from cachetools import LRUCache

from app.index.layout import INCREMENT_SHIFT
from app.index.nodes import Nodes
from app.index.protocol import IndexRecord
from app.index.rows import Row

BYTES = 256 * 2**20
ROWS = 64  # of one call; parsing it holds the event loop for some milliseconds
Key = tuple[str, int]  # what names the points of one increment of one collection, and the id of a point


class RowCache:
    """The rows read last, of all releases, within so many bytes."""

    def __init__(self, limit_bytes: int = BYTES) -> None:
        self._rows: LRUCache[Key, Row] = LRUCache(limit_bytes, getsizeof=lambda row: row.size)

    def get(self, key: Key) -> Row | None:
        """The row, which counts as used now, or None."""
        return self._rows.get(key)

    def put(self, key: Key, row: Row) -> None:
        """Keep a row, unless it is larger than the whole cache."""
        with suppress(ValueError):
            self._rows[key] = row


class Rows:
    """The rows of one release, from the cache or the server.

    The next increment may use the ids of one that was dropped, so a row is known by the record of the increment that
    added it.
    """

    def __init__(
        self, nodes: Nodes, collection: str, record: IndexRecord, line: Iterable[IndexRecord], cache: RowCache
    ) -> None:
        """`line`: the records of the release's publish and increments, as far as they are known."""
        self._nodes = nodes
        self._collection = collection
        self._unknown = _name(collection, record)
        self._increments: Mapping[int, str] = {held.increment: _name(collection, held) for held in line}
        self._cache = cache

    async def read(self, ids: Iterable[int]) -> dict[int, Row]:
        """The rows of points by their ids, without those of points that are gone. Raises the client's errors.

        Those that the cache lacks are read in one call, or a few where they are many. What was read before an error
        stays in the cache, so a slow server is not asked for it again.
        """
        kept = {point: self._cache.get(self._key(point)) for point in ids}
        rows = {point: row for point, row in kept.items() if row is not None}
        missing = [point for point, row in kept.items() if row is None]
        for start in range(0, len(missing), ROWS):
            read: dict[int, Row] = await self._nodes.read_rows(self._collection, missing[start : start + ROWS])
            for point, row in read.items():
                self._cache.put(self._key(point), row)
            rows |= read
        return rows

    def _key(self, point: int) -> Key:
        return self._increments.get(point >> INCREMENT_SHIFT, self._unknown), point


def _name(collection: str, record: IndexRecord) -> str:
    return f"{collection} {record.name} {record.created_at}"
