"""The index on a Qdrant server or cluster, through `AsyncQdrantClient`; `:memory:` runs the client's own stand-in.

A release is a collection of its name whose metadata hold its record and calibration, and `complete` once it is whole.
The aliases `faqtual` and `faqtual-previous` point at the active release and the one before; both move in one operation.
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
from app.retrieval.index import (
    ANSWER,
    BM25,
    NEGATIVES,
    QUESTIONS,
    RELEASE,
    Calibrated,
    IndexRecord,
    own_payload,
    stored_payload,
)
from app.retrieval.lexical import Analyser, text_of
from app.retrieval.ranking import Candidate, Question
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

    def __init__(self, client: AsyncQdrantClient, record: IndexRecord, calibrated: Calibrated | None) -> None:
        self.record = record
        self.calibrated = calibrated
        self._client = client
        self._analyser = Analyser(record.language, record.average_length)

    async def search(self, question: Question, limit: int, where: Where) -> list[Candidate]:
        """As `Index.search`: one batch of queries for ids, then one that reads and scores the entries found."""
        check(where, self.record.fields)
        vector, condition = [question.vector.tolist()], DIALECT.translate(where)
        words = models.SparseVector(**self._analyser.question(question.text)._asdict())
        queries: dict[str, Any] = {ANSWER: vector, QUESTIONS: vector, **({BM25: words} if words.indices else {})}
        requests = [
            models.QueryRequest(query=query, using=name, limit=limit, filter=condition)
            for name, query in queries.items()
        ]
        with _qdrant(self.record.name):
            found = await self._client.query_batch_points(self.record.name, requests)
            ids = sorted({int(point.id) for answer in found for point in answer.points})
            return await self._read(ids, vector, words) if ids else []

    async def count(self) -> int:
        """As `Index.count`."""
        with _qdrant(self.record.name):
            return (await self._client.count(self.record.name, exact=True)).count

    async def sample(self, limit: int) -> list[Candidate]:
        """As `Index.sample`."""
        ids = np.unique(np.linspace(0, self.record.entries - 1, limit).astype(int)).tolist()
        with _qdrant(self.record.name):
            records = await self._client.retrieve(self.record.name, ids, with_payload=True, with_vectors=True)
        return [self._candidate(one.payload, one.vector) for one in records]

    async def close(self) -> None:
        """As `Index.close`; the connection belongs to the store."""

    async def _read(self, ids: list[int], vector: Any, words: models.SparseVector) -> list[Candidate]:  # noqa: ANN401
        """Every entry has an answer, so that asking for the nearest among these reads them all."""
        among = models.Filter(must=[models.HasIdCondition(has_id=list(ids))])
        every = models.QueryRequest(
            query=vector, using=ANSWER, limit=len(ids), filter=among, with_payload=True, with_vector=True
        )
        scored = models.QueryRequest(query=words, using=BM25, limit=len(ids), filter=among)
        read, *found = await self._client.query_batch_points(
            self.record.name, [every, *([scored] if words.indices else [])]
        )
        lexical = {point.id: point.score for answer in found for point in answer.points}
        return [self._candidate(one.payload, one.vector, lexical.get(one.id, 0.0)) for one in read.points]

    def _candidate(self, payload: Any, vectors: Any, lexical: float = 0.0) -> Candidate:  # noqa: ANN401 - as the client has it
        answer, questions, negatives = (
            np.asarray(vectors.get(name, ()), dtype=np.float32).reshape(-1, self.record.dimension)
            for name in (ANSWER, QUESTIONS, NEGATIVES)
        )
        return Candidate(payload["id"], own_payload(payload), answer, questions, negatives, lexical)


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
            analyser, start = Analyser(record.language, record.average_length), 0
            for batch in batches:
                points = [
                    models.PointStruct(id=start + i, vector=_vectors(one, analyser), payload=stored_payload(one))
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
            record.name,
            dict.fromkeys((ANSWER, QUESTIONS, NEGATIVES), params),
            {BM25: models.SparseVectorParams(modifier=models.Modifier.IDF)},
            metadata=metadata,
            timeout=BUILD_TIMEOUT_S,
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
        return ServerIndex(self._client, record, await self._calibrated(name))

    async def calibrate(self, name: str, calibrated: Calibrated) -> None:
        """As `IndexStore.calibrate`."""
        if await self._record(name) is None:
            raise NotFound(f"There is no release {name}.")
        with _qdrant(name):
            await self._client.update_collection(name, metadata={"calibration": calibrated.model_dump()})

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
        metadata = await self._metadata(name)
        try:
            return IndexRecord.model_validate(metadata["record"]) if metadata.get("complete") else None
        except (KeyError, ValidationError):
            return None

    async def _calibrated(self, name: str) -> Calibrated | None:
        found = (await self._metadata(name)).get("calibration")
        try:
            return None if found is None else Calibrated.model_validate(found)
        except ValidationError as error:
            raise IndexUnavailable(f"The release {name} is damaged: its calibration cannot be read.") from error

    async def _metadata(self, name: str) -> dict[str, Any]:
        with _qdrant(name):
            return (await self._client.get_collection(name)).config.metadata or {}


def _vectors(candidate: Candidate, analyser: Analyser) -> dict[str, Any]:
    """The named vectors of a point; what a passage lacks is left out, as an empty multivector is refused."""
    words = analyser.document(text_of(candidate.payload))
    dense = {ANSWER: candidate.answer, QUESTIONS: candidate.questions, NEGATIVES: candidate.negatives}
    vectors: dict[str, Any] = {name: some.tolist() for name, some in dense.items() if len(some)}
    return {**vectors, BM25: models.SparseVector(**words._asdict())}


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
