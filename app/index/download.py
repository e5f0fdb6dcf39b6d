"""Reads the publish and the increments of one collection on a Qdrant server, to make a copy of them."""

import asyncio
from collections.abc import Iterator
from concurrent.futures import Future
from typing import Any

from qdrant_client import models

from app.errors import IndexUnavailable
from app.index.candidates import Candidate
from app.index.failures import qdrant
from app.index.layout import FREQUENCIES_ID, SINCE, UNTIL, VECTORS
from app.index.nodes import Nodes
from app.index.points import candidate_of
from app.index.protocol import IndexRecord
from app.index.resilience import SCAN_S

PAGE = 32  # entries of a reply; parsing it holds the event loop for some milliseconds
IDS = 1_000


class Download:
    """The entries of a collection, by the increment that added them.

    `line`: the records of the publish and its increments, in order.
    """

    def __init__(self, nodes: Nodes, collection: str, line: list[IndexRecord]) -> None:
        self.line = line
        self._nodes = nodes
        self._collection = collection
        self._loop = asyncio.get_running_loop()

    async def vectors(self) -> int | None:
        """The number of the publish's vectors; None for a collection of a version that did not count them."""
        with qdrant(self._collection, missing=IndexUnavailable):
            points = await self._nodes.retrieve(self._collection, [FREQUENCIES_ID], with_payload=[VECTORS])
        return points[0].payload.get(VECTORS) if points else None

    def batches(self, record: IndexRecord) -> Iterator[list[Candidate]]:
        """The entries that a release of the line added, in order, also those that a later one replaced.

        For a thread other than the event loop's. Raises IndexUnavailable.
        """
        offset: Any = None
        while True:
            points, offset = self._page(_with(SINCE, record.increment), PAGE, offset, with_vectors=True)
            yield [candidate_of(point, record.dimension) for point in points]
            if offset is None:
                return

    def ended(self, record: IndexRecord) -> set[str]:
        """The ids of the entries that an increment replaced or removed; for a thread, as `batches`."""
        ids: set[str] = set()
        offset: Any = None
        while True:
            points, offset = self._page(_with(UNTIL, record.increment), IDS, offset, with_vectors=False)
            ids.update(point.payload["id"] for point in points)
            if offset is None:
                return ids

    def _page(self, wanted: models.Filter, limit: int, offset: Any, *, with_vectors: bool) -> Any:  # noqa: ANN401
        reading: Future[Any] = asyncio.run_coroutine_threadsafe(
            self._scroll(wanted, limit, offset, with_vectors), self._loop
        )
        return reading.result()

    async def _scroll(self, wanted: models.Filter, limit: int, offset: Any, with_vectors: bool) -> Any:  # noqa: ANN401
        with qdrant(self._collection, missing=IndexUnavailable):
            return await self._nodes.scroll(
                self._collection,
                scroll_filter=wanted,
                limit=limit,
                offset=offset,
                with_payload=True if with_vectors else ["id"],
                with_vectors=with_vectors,
                timeout=SCAN_S,
            )


def _with(key: str, increment: int) -> models.Filter:
    same = models.Range(gte=increment, lte=increment)
    return models.Filter(must=[models.FieldCondition(key=key, range=same)])
