"""Writes releases into a collection on a Qdrant server. `index.server` names them once they are whole."""

import logging
from collections.abc import Iterable, Sequence
from functools import partial

from qdrant_client import AsyncQdrantClient, models

from app.index.candidates import Candidate
from app.index.cluster_state import AGREE_S, Metadata
from app.index.failures import qdrant
from app.index.layout import UNTIL, Layout, after, alive, closed_after, payload_indexes
from app.index.nodes import Nodes
from app.index.protocol import IndexRecord
from app.index.settling import Waiting, green, shown, taken
from app.index.upload import BREAK_S, CALL_S, Upload

ENTRIES = 500  # that one change closes
logger = logging.getLogger(__name__)


class CollectionWriter:
    """Creates and fills collections. Everything that is written is read back on every node that answers.

    Raises IndexUnavailable.
    """

    def __init__(self, nodes: Nodes, layout: Layout) -> None:
        self._nodes = nodes
        self._layout = layout

    async def build(
        self,
        collection: str,
        record: IndexRecord,
        batches: Iterable[list[Candidate]],
        owner: str | None,
        waiting: Waiting,
    ) -> None:
        """Write a publish into a new collection; returns when all of it is indexed."""
        with qdrant(record.name):
            await self._create(collection, record, owner)
            upload = Upload(self._nodes, collection, record)
            await upload.send(batches)
            await upload.send_frequencies()
            await self._counted(collection, record)
            await green(self._nodes, collection, waiting)

    async def extend(
        self, collection: str, record: IndexRecord, batches: Iterable[list[Candidate]], removed: Iterable[str]
    ) -> None:
        """Write an increment. Points that it replaces or removes stay for the releases before it, with `until`."""
        with qdrant(record.name):
            upload = Upload(self._nodes, collection, record)
            await upload.send(batches)
            await self._end(collection, record.increment, [*upload.ids, *removed])
            await self._counted(collection, record)

    async def undo(self, collection: str, increment: int) -> None:
        """Remove what increments after this one wrote into a collection, finished or not."""
        added, closed = after(increment), closed_after(increment)
        with qdrant(collection):
            if (await self._nodes.count(collection, count_filter=closed, exact=True)).count:
                await self._nodes.delete_payload(collection, [UNTIL], closed, wait=True, timeout=CALL_S)
            if (await self._nodes.count(collection, count_filter=added, exact=True)).count:
                await self._nodes.delete(collection, models.FilterSelector(filter=added), wait=True, timeout=CALL_S)

            async def undone(node: AsyncQdrantClient) -> bool:
                left = [await node.count(collection, count_filter=kind, exact=True) for kind in (added, closed)]
                return not any(counted.count for counted in left)

            await shown(self._nodes, f"the end of increments in {collection}", undone)

    async def _create(self, collection: str, record: IndexRecord, owner: str | None) -> None:
        metadata = {**Metadata.describing(record), **({"owner": owner} if owner else {})}
        arguments = self._layout.collection(record.dimension, await self._count_nodes())
        create = partial(self._nodes.create_collection, collection, **arguments, metadata=metadata, timeout=AGREE_S)
        await taken(create, BREAK_S)

        async def created(node: AsyncQdrantClient) -> bool:
            await node.get_collection(collection)
            return True

        await shown(self._nodes, f"the collection {collection}", created)
        for field, schema in payload_indexes(record).items():
            index = partial(self._nodes.create_payload_index, collection, field, schema, wait=True, timeout=AGREE_S)
            await taken(index, BREAK_S)

    async def _count_nodes(self) -> int:
        """The number of the cluster's nodes; 1 where the server is no cluster, or the API key may not ask."""
        try:
            status = await self._nodes.cluster_status()
        except Exception as error:
            logger.debug("Qdrant does not say how many nodes it has", exc_info=error)
            return 1
        return max(1, len(getattr(status, "peers", ())))

    async def _counted(self, collection: str, record: IndexRecord) -> None:
        """Return when every node counts the entries of the release."""

        async def complete(node: AsyncQdrantClient) -> bool:
            counted = await node.count(collection, count_filter=alive(record.increment), exact=True)
            return counted.count == record.entries

        await shown(self._nodes, f"the {record.entries:,} entries of {record.name}", complete)

    async def _end(self, collection: str, increment: int, entries: Sequence[str]) -> None:
        """Note on the points of these entries that an increment replaced or removed them."""
        before = alive(increment - 1)
        for start in range(0, len(entries), ENTRIES):
            same = models.FieldCondition(key="id", match=models.MatchAny(any=list(entries[start : start + ENTRIES])))
            ended = models.Filter(must=[same, before])
            await taken(
                partial(self._nodes.set_payload, collection, {UNTIL: increment}, ended, wait=True, timeout=CALL_S),
                BREAK_S,
            )
