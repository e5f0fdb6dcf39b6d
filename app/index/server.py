"""The index on a Qdrant server or cluster, through `AsyncQdrantClient`.

A release is a collection of the same name. The collection's metadata holds the record, the calibration, and `complete`
once the release is whole. The aliases `faqtual` and `faqtual-previous` point at the active release and the previous
one; both move in one operation.
"""

from collections.abc import Iterable
from itertools import count
from typing import Any, Self, cast

from pydantic import ValidationError
from qdrant_client import AsyncQdrantClient, models

from app.errors import NotFound, SettingsError
from app.index.candidates import Candidate
from app.index.collection import ServerIndex, qdrant
from app.index.filters import Kind, path
from app.index.lookup import keys_of
from app.index.protocol import (
    ANSWER,
    BM25,
    KEYS,
    NEGATIVES,
    QUESTIONS,
    RELEASE,
    Calibration,
    IndexRecord,
    stored_payload,
)
from app.index.resilience import Guarded
from app.index.words import WordTokenizer, text_of

SCHEMAS: dict[Kind, models.PayloadSchemaType] = {
    "text": models.PayloadSchemaType.KEYWORD,
    "number": models.PayloadSchemaType.FLOAT,
    "flag": models.PayloadSchemaType.KEYWORD,
}
ACTIVE, PREVIOUS = "faqtual", "faqtual-previous"
TIMEOUT_S = 5  # of one call; a search takes milliseconds
BUILD_TIMEOUT_S = 120


class ServerStore:
    """All releases on one server; see `IndexStore`."""

    def __init__(self, client: AsyncQdrantClient) -> None:
        """The store closes the client."""
        self._client = cast(AsyncQdrantClient, Guarded(client))

    @classmethod
    def connect(cls, url: str, api_key: str | None = None) -> Self:
        """The store on the server at `url`; nothing is sent yet. Raises SettingsError for what is no URL."""
        try:
            return cls(AsyncQdrantClient(url=url, api_key=api_key, timeout=TIMEOUT_S, check_compatibility=False))
        except ValueError as error:
            raise SettingsError(
                f"FAQ_QDRANT_URL={url} is not the URL of a server, as http://qdrant:6333 is."
            ) from error

    async def build(self, record: IndexRecord, batches: Iterable[list[Candidate]]) -> None:
        """As `IndexStore.build`. The last step marks the collection as complete."""
        with qdrant(record.name):
            await self._client.delete_collection(record.name, timeout=BUILD_TIMEOUT_S)
            await self._create(record)
            tokenizer, numbers = WordTokenizer(record.language, record.average_length), count()
            for batch in batches:
                points = [
                    models.PointStruct(
                        id=next(numbers), vector=_vectors(entry, tokenizer), payload=_stored_payload(entry, record)
                    )
                    for entry in batch
                ]
                await self._client.upsert(record.name, points, wait=True)
            await self._client.update_collection(record.name, metadata={"complete": True})

    async def _create(self, record: IndexRecord) -> None:
        multi = models.MultiVectorConfig(comparator=models.MultiVectorComparator.MAX_SIM)
        params = models.VectorParams(size=record.dimension, distance=models.Distance.DOT, multivector_config=multi)
        metadata = {"record": record.model_dump(), "complete": False}
        await self._client.create_collection(
            record.name,
            dict.fromkeys((ANSWER, QUESTIONS, NEGATIVES), params),
            {BM25: models.SparseVectorParams(modifier=models.Modifier.IDF)},
            metadata=metadata,
            timeout=BUILD_TIMEOUT_S,
        )
        await self._client.create_payload_index(record.name, KEYS, models.PayloadSchemaType.KEYWORD, wait=True)
        for field, kinds in record.fields.items():
            for kind in kinds:
                await self._client.create_payload_index(record.name, path(field, kind), SCHEMAS[kind], wait=True)

    async def open(self, name: str) -> ServerIndex:
        """As `IndexStore.open`."""
        return ServerIndex(self._client, await self._finished(name), await self.calibration(name))

    async def calibrate(self, name: str, calibration: Calibration) -> None:
        """As `IndexStore.calibrate`."""
        await self._finished(name)
        with qdrant(name):
            await self._client.update_collection(name, metadata={"calibration": calibration})

    async def records(self) -> list[IndexRecord]:
        """As `IndexStore.records`."""
        records = [record for name in await self.names() if (record := await self._record(name))]
        return sorted(records, key=lambda record: (record.created_at, record.name))

    async def drop(self, name: str) -> None:
        """As `IndexStore.drop`."""
        with qdrant(name):
            await self._client.delete_collection(name, timeout=BUILD_TIMEOUT_S)

    async def sweep(self) -> None:
        """As `IndexStore.sweep`."""
        for name in await self.names():
            if await self._record(name) is None:
                await self.drop(name)

    async def pointer(self) -> tuple[str | None, str | None]:
        """As `IndexStore.pointer`."""
        with qdrant("the aliases"):
            aliases = (await self._client.get_aliases()).aliases
        collections = {alias.alias_name: alias.collection_name for alias in aliases}
        return collections.get(ACTIVE), collections.get(PREVIOUS)

    async def activate(self, name: str) -> None:
        """As `IndexStore.activate`. Raises NotFound."""
        await self._finished(name)
        active, _ = await self.pointer()
        if active == name:
            return
        moves = [_alias(ACTIVE, name), *([_alias(PREVIOUS, active)] if active else [])]
        with qdrant(name):
            await self._client.update_collection_aliases(moves)

    async def close(self) -> None:
        """As `IndexStore.close`."""
        await self._client.close()

    async def names(self) -> list[str]:
        """As `IndexStore.names`."""
        with qdrant("the list of collections"):
            collections = (await self._client.get_collections()).collections
        return [collection.name for collection in collections if RELEASE.match(collection.name)]

    async def _finished(self, name: str) -> IndexRecord:
        """The record of a finished release. Raises NotFound."""
        record = await self._record(name)
        if record is None:
            raise NotFound(f"There is no release {name}.")
        return record

    async def _record(self, name: str) -> IndexRecord | None:
        """The record of a finished release, or None."""
        if name not in await self.names():
            return None
        metadata = await self._metadata(name)
        try:
            return IndexRecord.model_validate(metadata["record"]) if metadata.get("complete") else None
        except (KeyError, ValidationError):
            return None

    async def calibration(self, name: str) -> Calibration | None:
        """As `IndexStore.calibration`."""
        return (await self._metadata(name)).get("calibration")

    async def _metadata(self, name: str) -> dict[str, Any]:
        with qdrant(name):
            return (await self._client.get_collection(name)).config.metadata or {}


def _vectors(candidate: Candidate, tokenizer: WordTokenizer) -> dict[str, Any]:
    """The named vectors of a point, without empty ones: Qdrant refuses an empty multivector."""
    words = tokenizer.document(text_of(candidate.payload))
    dense = {ANSWER: candidate.answer, QUESTIONS: candidate.questions, NEGATIVES: candidate.negatives}
    vectors: dict[str, Any] = {name: rows.tolist() for name, rows in dense.items() if len(rows)}
    return {**vectors, BM25: models.SparseVector(**words._asdict())}


def _stored_payload(candidate: Candidate, record: IndexRecord) -> dict[str, Any]:
    if record.common_identifiers is None:
        return stored_payload(candidate)
    return stored_payload(candidate, keys_of(candidate.payload, record.common_identifiers))


def _alias(alias: str, name: str) -> models.CreateAliasOperation:
    """The operation that points `alias` at a collection, wherever it pointed before."""
    return models.CreateAliasOperation(create_alias=models.CreateAlias(collection_name=name, alias_name=alias))
