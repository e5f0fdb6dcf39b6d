"""The index on a Qdrant server or cluster, through `AsyncQdrantClient`; `:memory:` runs the client's own stand-in.

A release is a collection of its name whose metadata hold its record, and `complete` once it is whole. The aliases
`faqtual` and `faqtual-previous` point at the active release and the one before; both move in one operation.
"""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any, cast

import numpy as np
from pydantic import ValidationError
from qdrant_client import AsyncQdrantClient, models
from qdrant_client.common.client_exceptions import QdrantException
from qdrant_client.http.exceptions import ApiException, UnexpectedResponse

from app.errors import IndexUnavailable, NotFound
from app.retrieval.filters import Dialect, Kind, Where, check, path
from app.retrieval.index import ANSWER, QUESTIONS, RELEASE, IndexRecord, candidate_of, payload_of, vectors_of
from app.retrieval.ranking import Candidate, Vectors
from app.retrieval.resilience import Guarded

DIALECT = Dialect(models.Filter, models.FieldCondition, models.MatchAny, models.Range)
SCHEMAS: dict[Kind, models.PayloadSchemaType] = {
    "text": models.PayloadSchemaType.KEYWORD,
    "number": models.PayloadSchemaType.FLOAT,
    "flag": models.PayloadSchemaType.KEYWORD,
}
ACTIVE, PREVIOUS = "faqtual", "faqtual-previous"
TIMEOUT_S = 5  # of one call; a search takes milliseconds
BUILD_TIMEOUT_S = 120


class ServerIndex:
    """A collection, for reading. As `Index`."""

    def __init__(self, client: AsyncQdrantClient, record: IndexRecord) -> None:
        self.record = record
        self._client = client

    async def search(self, question: Vectors, limit: int, where: Where) -> list[Candidate]:
        """As `Index.search`: one batch of two queries for ids, then one read of the entries found."""
        check(where, self.record.fields)
        query, condition = [question.tolist()], DIALECT.translate(where)
        requests = [
            models.QueryRequest(query=query, using=name, limit=limit, filter=condition) for name in (ANSWER, QUESTIONS)
        ]
        with _qdrant(self.record.name):
            found = await self._client.query_batch_points(self.record.name, requests)
            return await self._read(sorted({int(point.id) for answer in found for point in answer.points}))

    async def count(self) -> int:
        """As `Index.count`."""
        with _qdrant(self.record.name):
            return (await self._client.count(self.record.name, exact=True)).count

    async def sample(self, limit: int) -> list[Candidate]:
        """As `Index.sample`."""
        with _qdrant(self.record.name):
            return await self._read(np.unique(np.linspace(0, self.record.entries - 1, limit).astype(int)).tolist())

    async def close(self) -> None:
        """As `Index.close`; the connection belongs to the store."""

    async def _read(self, ids: list[int]) -> list[Candidate]:
        records = await self._client.retrieve(self.record.name, ids, with_payload=True, with_vectors=True)
        return [candidate_of(record.payload, record.vector, self.record.dimension) for record in records]


class ServerStore:
    """All releases on one server. As `IndexStore`."""

    def __init__(self, url: str, api_key: str | None = None) -> None:
        where: dict[str, Any] = {"location": url} if url == ":memory:" else {"url": url, "api_key": api_key}
        client = AsyncQdrantClient(**where, timeout=TIMEOUT_S, check_compatibility=False)
        self._client = cast(AsyncQdrantClient, Guarded(client))
        self._url = url

    async def build(self, record: IndexRecord, batches: Iterable[list[Candidate]]) -> None:
        """As `IndexStore.build`; the collection is marked complete last."""
        with _qdrant(record.name):
            await self._client.delete_collection(record.name, timeout=BUILD_TIMEOUT_S)
            await self._create(record)
            start = 0
            for batch in batches:
                points = [
                    models.PointStruct(id=start + i, vector=vectors_of(one), payload=payload_of(one))
                    for i, one in enumerate(batch)
                ]
                start += len(batch)
                await self._client.upsert(record.name, points, wait=True)
            await self._client.update_collection(record.name, metadata={"complete": True})

    async def _create(self, record: IndexRecord) -> None:
        multi = models.MultiVectorConfig(comparator=models.MultiVectorComparator.MAX_SIM)
        params = models.VectorParams(size=record.dimension, distance=models.Distance.DOT, multivector_config=multi)
        metadata = {"record": record.model_dump(), "complete": False}
        await self._client.create_collection(
            record.name, {ANSWER: params, QUESTIONS: params}, metadata=metadata, timeout=BUILD_TIMEOUT_S
        )
        if self._url == ":memory:":  # it has no payload indexes, and warns when asked for one
            return
        for field, kinds in record.fields.items():
            for kind in kinds:
                await self._client.create_payload_index(record.name, path(field, kind), SCHEMAS[kind], wait=True)

    async def open(self, name: str) -> ServerIndex:
        """As `IndexStore.open`."""
        record = await self._record(name)
        if record is None:
            raise NotFound(f"There is no release {name}.")
        return ServerIndex(self._client, record)

    async def records(self) -> list[IndexRecord]:
        """As `IndexStore.records`."""
        found = [record for name in await self.names() if (record := await self._record(name))]
        return sorted(found, key=lambda record: (record.created_at, record.name))

    async def drop(self, name: str) -> None:
        """As `IndexStore.drop`."""
        with _qdrant(name):
            await self._client.delete_collection(name, timeout=BUILD_TIMEOUT_S)

    async def sweep(self) -> None:
        """As `IndexStore.sweep`."""
        for name in await self.names():
            if await self._record(name) is None:
                await self.drop(name)

    async def pointer(self) -> tuple[str | None, str | None]:
        """As `IndexStore.pointer`."""
        with _qdrant("its aliases"):
            aliases = {one.alias_name: one.collection_name for one in (await self._client.get_aliases()).aliases}
        return aliases.get(ACTIVE), aliases.get(PREVIOUS)

    async def activate(self, name: str) -> None:
        """As `IndexStore.activate`. Raises NotFound."""
        if await self._record(name) is None:
            raise NotFound(f"There is no release {name}.")
        active, _ = await self.pointer()
        if active == name:
            return
        moves = [_alias(ACTIVE, name), *([_alias(PREVIOUS, active)] if active else [])]
        with _qdrant(name):
            await self._client.update_collection_aliases(moves)

    async def close(self) -> None:
        """As `IndexStore.close`."""
        await self._client.close()

    async def names(self) -> list[str]:
        """As `IndexStore.names`."""
        with _qdrant("its collections"):
            return [one.name for one in (await self._client.get_collections()).collections if RELEASE.match(one.name)]

    async def _record(self, name: str) -> IndexRecord | None:
        """The record of a finished release, or None."""
        if name not in await self.names():
            return None
        with _qdrant(name):
            metadata = (await self._client.get_collection(name)).config.metadata or {}
        try:
            return IndexRecord.model_validate(metadata["record"]) if metadata.get("complete") else None
        except (KeyError, ValidationError):
            return None


def _alias(alias: str, name: str) -> models.CreateAliasOperation:
    """Creating an alias that exists moves it."""
    return models.CreateAliasOperation(create_alias=models.CreateAlias(collection_name=name, alias_name=alias))


@contextmanager
def _qdrant(what: str) -> Iterator[None]:
    """The client's errors as ours."""
    try:
        yield
    except UnexpectedResponse as error:
        if error.status_code == 404:
            raise NotFound(f"Qdrant has no collection {what}.") from error
        raise IndexUnavailable(f"Qdrant refused {what}: {error.status_code} {error.reason_phrase}") from error
    except (ApiException, QdrantException, OSError, ValueError) as error:
        reason = str(error).partition("\n")[0][:200]  # a reply that cannot be parsed is quoted, with all it holds
        raise IndexUnavailable(f"Qdrant cannot be used for {what}: {reason}") from error
