"""What a Qdrant cluster keeps by consensus: the aliases, and the metadata of collections. Every change is read back."""

import secrets
from collections.abc import Awaitable, Callable, Collection, Mapping
from typing import Any, cast

from pydantic import ValidationError
from qdrant_client import AsyncQdrantClient, models

from app.index.failures import qdrant
from app.index.nodes import Nodes
from app.index.protocol import RELEASE, Calibration, IndexRecord
from app.index.settling import shown, taken

ALIASES, CHANGE = "the aliases", "change"
AGREE_S = 20  # for which a server waits until its cluster has agreed; it waits as long for a node that is away
BREAK_S = 30.0  # for which a server may be away before a change fails


class Metadata:
    """The metadata of one collection.

    owner            the id of the store that published it
    <release>        {"record": …, "calibration": …} of each release in the collection: a publish and its increments.
                     The record is JSON as a text, because a server may change the last digit of a number.
    change           a random text, another after each change
    A collection of a version before increments has `record`, `calibration` and `complete` in their place.
    """

    def __init__(self, values: Mapping[str, Any]) -> None:
        self._values = values

    @property
    def owner(self) -> str | None:
        """The id of the store that published the collection; None: an earlier version did."""
        return self._values.get("owner")

    @property
    def releases(self) -> list[str]:
        """The names under which it describes releases."""
        return [key for key in self._values if RELEASE.match(key)]

    def record(self, release: str) -> IndexRecord | None:
        """The record of a release; None where there is none that can be read."""
        try:
            record = self._described(release).get("record")
            return (
                IndexRecord.model_validate_json(record)
                if isinstance(record, str)
                else IndexRecord.model_validate(record)
            )
        except ValidationError:
            return None

    def calibration(self, release: str) -> Calibration | None:
        """The calibration of a release, or None."""
        return self._described(release).get("calibration")

    def is_legacy(self, release: str) -> bool:
        """Whether the collection is of a version before increments, so that its points do not say who added them."""
        return release not in self._values

    @staticmethod
    def describing(record: IndexRecord) -> dict[str, Any]:
        """The change that describes a release, without a calibration."""
        return {record.name: {"record": record.model_dump_json()}}

    def calibrated(self, release: str, calibration: Calibration) -> dict[str, Any]:
        """The change that stores the calibration of a release."""
        if self.is_legacy(release):
            return {"calibration": calibration}
        return {release: {**self._values[release], "calibration": calibration}}

    def _described(self, release: str) -> Mapping[str, Any]:
        if release in self._values:
            return cast(Mapping[str, Any], self._values[release])
        return self._values if self._values.get("complete") else {}


class ClusterState:
    """Reads and changes aliases and metadata. Raises IndexUnavailable, NotFound for an unknown collection."""

    def __init__(self, nodes: Nodes) -> None:
        self._nodes = nodes

    async def aliases(self) -> dict[str, str]:
        """All aliases of the server, each with its collection."""
        with qdrant(ALIASES):
            return await _aliases(cast(AsyncQdrantClient, self._nodes))

    async def collections(self) -> list[str]:
        """The names of all collections of the server."""
        with qdrant("the list of collections"):
            return await _collections(cast(AsyncQdrantClient, self._nodes))

    async def metadata(self, collection: str) -> Metadata:
        """The metadata of a collection."""
        with qdrant(collection):
            return Metadata(await _metadata(cast(AsyncQdrantClient, self._nodes), collection))

    async def write(self, collection: str, values: Mapping[str, Any]) -> None:
        """Set keys of a collection's metadata; the others stay. None removes a key."""
        change = secrets.token_hex(8)

        async def written(node: AsyncQdrantClient) -> bool:
            return (await _metadata(node, collection)).get(CHANGE) == change

        with qdrant(collection):
            metadata = {**values, CHANGE: change}
            await self._take(lambda: self._nodes.update_collection(collection, metadata=metadata, timeout=AGREE_S))
            await shown(self._nodes, f"the metadata of {collection}", written)

    async def move(self, create: Mapping[str, str], delete: Collection[str] = ()) -> None:
        """Point aliases at collections, wherever they pointed before, and delete others, all at once.

        Aliases to delete that do not exist are no error. Qdrant checks what is created first, and changes nothing where
        a collection is missing.
        """
        actions: list[Any] = [
            models.CreateAliasOperation(create_alias=models.CreateAlias(collection_name=collection, alias_name=alias))
            for alias, collection in create.items()
        ]
        actions += [models.DeleteAliasOperation(delete_alias=models.DeleteAlias(alias_name=alias)) for alias in delete]

        async def moved(node: AsyncQdrantClient) -> bool:
            aliases = await _aliases(node)
            pointed = all(aliases.get(alias) == collection for alias, collection in create.items())
            return pointed and not any(alias in aliases for alias in delete)

        with qdrant(ALIASES):
            await self._take(lambda: self._nodes.update_collection_aliases(actions, timeout=AGREE_S))
            await shown(self._nodes, ALIASES, moved)

    async def delete(self, collection: str) -> None:
        """Delete a collection and its aliases; no error where there is none."""

        async def deleted(node: AsyncQdrantClient) -> bool:
            return collection not in await _collections(node)

        with qdrant(collection):
            await self._take(lambda: self._nodes.delete_collection(collection, timeout=AGREE_S))
            await shown(self._nodes, f"the deletion of {collection}", deleted)

    async def _take(self, change: Callable[[], Awaitable[object]]) -> None:
        """Make a change that may be made twice: after a failure it may have been made all the same."""
        await taken(change, BREAK_S)


async def _aliases(node: AsyncQdrantClient) -> dict[str, str]:
    return {alias.alias_name: alias.collection_name for alias in (await node.get_aliases()).aliases}


async def _collections(node: AsyncQdrantClient) -> list[str]:
    return [collection.name for collection in (await node.get_collections()).collections]


async def _metadata(node: AsyncQdrantClient, collection: str) -> dict[str, Any]:
    return dict((await node.get_collection(collection)).config.metadata or {})
