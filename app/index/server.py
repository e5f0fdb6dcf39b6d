"""The index on a Qdrant server or cluster, through `AsyncQdrantClient`.

A publish is a collection; its increments are added to the same collection. A point says which increment added it,
`since`, and which replaced or removed it, `until`; every query of a release filters by these. `index.namespace` has the
names. A release exists once it has its alias, and the active release is named by aliases that move together. So a
switch is one change, also between two releases of one collection, and every reader sees the state before it or the
state after it. The collection's metadata holds the record and the calibration of each of its releases.
"""

import asyncio
from collections.abc import Collection, Iterable
from typing import Self

from qdrant_client import AsyncQdrantClient

from app.errors import IndexUnavailable, NotFound
from app.index.candidates import Candidate
from app.index.cluster_state import ClusterState, Metadata
from app.index.collection import ServerIndex
from app.index.collection_writer import CollectionWriter
from app.index.document_words import Frequencies
from app.index.download import Download
from app.index.failures import qdrant
from app.index.layout import FREQUENCIES, FREQUENCIES_ID, Layout
from app.index.namespace import DEFAULT, Namespace, Places
from app.index.node import Node
from app.index.nodes import GRPC_PORT, Nodes
from app.index.ownership import Ownership
from app.index.place import Place
from app.index.protocol import Calibration, IndexRecord
from app.index.row_cache import RowCache, Rows
from app.index.settling import Waiting


class ServerStore:
    """The releases of one namespace on a server; see `IndexStore`."""

    def __init__(
        self,
        client: AsyncQdrantClient | Node | Nodes,
        namespace: str = DEFAULT,
        layout: Layout | None = None,
        cache: RowCache | None = None,
    ) -> None:
        """The store closes the client."""
        self._nodes = client if isinstance(client, Nodes) else Nodes([client])
        self._namespace = Namespace(namespace)
        self._state = ClusterState(self._nodes)
        self._ownership = Ownership(self._state, self._namespace)
        self._writer = CollectionWriter(self._nodes, layout or Layout())
        self._cache = cache or RowCache()
        self._owner: str | None = None
        self._bundles: Collection[str] = ()

    @classmethod
    def connect(
        cls,
        urls: str,
        api_key: str | None = None,
        namespace: str = DEFAULT,
        layout: Layout | None = None,
        *,
        grpc_port: int = GRPC_PORT,
        cache: RowCache | None = None,
    ) -> Self:
        """The store on the server at these comma-separated URLs of its nodes; nothing is sent yet.

        `grpc_port`: 0: questions go by REST too. Raises SettingsError for what is no URL.
        """
        return cls(Nodes.connect(urls, api_key, grpc_port), namespace, layout, cache)

    async def claim(self, owner: str, adopt: bool, bundles: Collection[str]) -> None:
        """As `IndexStore.claim`."""
        places = await self._places()
        if not adopt:
            await self._ownership.check(places, owner, bundles)
        if adopt or self._owner != owner:
            await self._ownership.take(places, owner, bundles)
        self._owner, self._bundles = owner, bundles

    async def build(self, record: IndexRecord, batches: Iterable[list[Candidate]], waiting: Waiting = bool) -> None:
        """As `IndexStore.build`. The last step is the alias of the release."""
        collection = self._namespace.new_collection(record.name)
        await self._writer.build(collection, record, batches, self._owner, waiting)
        await self._state.move({self._namespace.alias(record.name): collection})

    async def extend(
        self, record: IndexRecord, parent: str, batches: Iterable[list[Candidate]], removed: Collection[str]
    ) -> None:
        """As `IndexStore.extend`. The last step is the alias of the increment."""
        collection, before, metadata = await self._find(parent)
        if metadata.is_legacy(parent):
            raise IndexUnavailable(f"{parent} was built by an earlier version and cannot be extended. Reindex.")
        later = [name for name in (await self._places()).sharing(parent) if _number(metadata, name) > before.increment]
        if later:
            raise IndexUnavailable(f"{parent} cannot be extended: {later[0]} already extends it.")
        await self._writer.undo(collection, before.increment)
        await self._writer.extend(collection, record, batches, removed)
        await self._state.write(collection, Metadata.describing(record))
        await self._state.move({self._namespace.alias(record.name): collection})

    async def open(self, name: str, *, at_once: bool = False) -> ServerIndex:
        """As `IndexStore.open`."""
        collection, record, metadata = await self._find(name)
        calibration = metadata.calibration(name)
        rows = Rows(self._nodes, collection, record, _line(metadata, record), self._cache)
        if metadata.is_legacy(name):
            return ServerIndex(self._nodes, Place(collection, None), record, calibration, None, rows)
        frequencies = await self._frequencies(collection, name)
        return ServerIndex(self._nodes, Place(collection, record.increment), record, calibration, frequencies, rows)

    async def download(self, name: str) -> Download | None:
        """What a copy of a release needs: the line of its publish up to it. Raises NotFound.

        None for a release of a version before increments, or if one of its line cannot be found.
        """
        collection, record, metadata = await self._find(name)
        if metadata.is_legacy(name):
            return None
        line = _line(metadata, record)
        complete = [held.increment for held in line] == list(range(record.increment + 1))
        return Download(self._nodes, collection, line) if complete else None

    async def _frequencies(self, collection: str, name: str) -> Frequencies:
        """The counts of the base's words. Raises IndexUnavailable where the collection has lost them."""
        with qdrant(name, missing=NotFound):
            points = await self._nodes.retrieve(collection, [FREQUENCIES_ID], with_payload=True, with_vectors=False)
        try:
            return Frequencies.of_text(points[0].payload[FREQUENCIES])
        except (IndexError, KeyError, ValueError) as error:
            raise IndexUnavailable(f"The release {name} is damaged: it has lost the counts of its words.") from error

    async def calibrate(self, name: str, calibration: Calibration) -> None:
        """As `IndexStore.calibrate`."""
        collection, _, metadata = await self._find(name)
        await self._state.write(collection, metadata.calibrated(name, calibration))

    async def calibration(self, name: str) -> Calibration | None:
        """As `IndexStore.calibration`."""
        _, _, metadata = await self._find(name)
        return metadata.calibration(name)

    async def records(self) -> list[IndexRecord]:
        """As `IndexStore.records`. Asks for the aliases, then for all collections at once."""
        places = await self._places()
        collections = set(places.releases.values())
        metadata = dict(zip(collections, await asyncio.gather(*map(self._described, collections)), strict=True))
        records = [metadata[collection].record(name) for name, collection in places.releases.items()]
        return sorted(filter(None, records), key=lambda record: (record.created_at, record.name))

    async def names(self) -> list[str]:
        """As `IndexStore.names`."""
        return sorted((await self._places()).releases)

    async def pointer(self) -> tuple[str | None, str | None]:
        """As `IndexStore.pointer`."""
        places = await self._places()
        return places.active, places.previous

    async def activate(self, name: str) -> None:
        """As `IndexStore.activate`. Raises NotFound, and Conflict where another installation has taken the namespace.

        One change of aliases. A replica asks for all aliases at once, so it sees the releases before or those after it.
        """
        await self._find(name)
        places = await self._places()
        if self._owner:
            await self._ownership.check(places, self._owner, self._bundles)
        if places.active != name:
            await self._state.move(*self._namespace.switch(places, name))

    async def drop(self, name: str) -> None:
        """As `IndexStore.drop`. An increment loses its alias first, then its points; a publish its collection."""
        places = await self._places()
        if name not in places.releases:
            return
        collection, others = places.releases[name], places.sharing(name)
        if not others:
            await self._state.delete(collection)
            return
        await self._state.move({}, self._namespace.aliases(places, name))
        await self._clean(collection, others)

    async def sweep(self) -> None:
        """As `IndexStore.sweep`: collections without a release, and what unfinished increments left in the others."""
        places = await self._places()
        held: dict[str, list[str]] = {}
        for name, collection in places.releases.items():
            held.setdefault(collection, []).append(name)
        for collection in await self._state.collections():
            if collection in held:
                await self._clean(collection, held[collection])
            elif self._namespace.owns(collection):
                await self._state.delete(collection)

    async def close(self) -> None:
        """As `IndexStore.close`."""
        await self._nodes.close()

    async def _clean(self, collection: str, releases: Collection[str]) -> None:
        """Remove from a collection what only releases other than these need."""
        metadata = await self._state.metadata(collection)
        records = [record for name in releases if (record := metadata.record(name)) and not metadata.is_legacy(name)]
        if not records:
            return
        await self._writer.undo(collection, max(record.increment for record in records))
        if gone := set(metadata.releases).difference(releases):
            await self._state.write(collection, dict.fromkeys(gone))

    async def _places(self) -> Places:
        return self._namespace.places(await self._state.aliases())

    async def _described(self, collection: str) -> Metadata:
        """The metadata of a collection; without a release where it was dropped in the meantime."""
        try:
            return await self._state.metadata(collection)
        except NotFound:
            return Metadata({})

    async def _find(self, name: str) -> tuple[str, IndexRecord, Metadata]:
        """The collection of a finished release, its record and the collection's metadata. Raises NotFound."""
        collection = (await self._places()).releases.get(name)
        metadata = await self._described(collection) if collection else Metadata({})
        record = metadata.record(name)
        if collection is None or record is None:
            raise NotFound(f"There is no release {name}.")
        return collection, record, metadata


def _line(metadata: Metadata, record: IndexRecord) -> list[IndexRecord]:
    """The records of the publish and the increments up to a release, as far as the metadata has them, in order."""
    records = filter(None, map(metadata.record, metadata.releases))
    return sorted((held for held in records if held.increment <= record.increment), key=lambda held: held.increment)


def _number(metadata: Metadata, name: str) -> int:
    """The number of an increment; 0 for a publish."""
    record = metadata.record(name)
    return record.increment if record else 0
