"""One release on a Qdrant server, open for reading; `index.server` writes and lists them."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from qdrant_client import models

from app.errors import IndexUnavailable
from app.index.candidates import Candidate, Question
from app.index.document_words import Frequencies
from app.index.failures import qdrant
from app.index.filters import Dialect, Filter, check
from app.index.layout import DIGEST, SEARCH_PARAMS, after, alive
from app.index.lookup import QuestionKeys, question_keys
from app.index.nodes import Nodes
from app.index.points import candidate_of
from app.index.protocol import ANSWER, BM25, KEYS, QUESTIONS, Calibration, Index, IndexRecord
from app.index.resilience import SCAN_S
from app.index.server_preview import PreviewIndex
from app.index.words import WordTokenizer

DIALECT = Dialect(models.Filter, models.FieldCondition, models.MatchAny, models.Range)
PAGE, ENTRIES = 1_000, 64  # entries read at a time: their digests, or all of them


@dataclass(frozen=True)
class Place:
    """Where a release is. `increment`: its number; None in a collection of a version before increments.

    `hidden`: the ids of entries to leave out.
    """

    collection: str
    increment: int | None
    hidden: tuple[str, ...] = ()

    def condition(self, *conditions: models.Filter | None) -> models.Filter | None:
        """A filter for the points of the release that meet all conditions."""
        wanted = [condition for condition in conditions if condition]
        if self.increment is not None:
            wanted.append(alive(self.increment))
        if self.hidden:
            wanted.append(models.Filter(must_not=[_with_ids(self.hidden)]))
        return models.Filter(must=list(wanted)) if wanted else None


class ServerIndex:
    """A release in a collection, for reading; see `Index`. A collection that vanished is IndexUnavailable."""

    search_now = None

    def __init__(
        self,
        nodes: Nodes,
        place: Place,
        record: IndexRecord,
        calibration: Calibration | None,
        frequencies: Frequencies | None,
    ) -> None:
        """`frequencies`: of the base's words; None where the server counts words itself, as earlier versions let it."""
        self.record = record
        self.calibration = calibration
        self.frequencies = frequencies
        self._nodes = nodes
        self._place = place
        self._collection = place.collection
        self._tokenizer = WordTokenizer(record.language, record.average_length)

    async def search(self, question: Question, limit: int, where: Filter) -> list[Candidate]:
        """As `Index.search`: one batch of queries for ids, then one that reads and scores the entries found."""
        check(where, self.record.fields)
        vector, wanted = [question.vector.tolist()], question_keys(question)
        words = self._words(question.text)
        requests = self._requests(vector, words, wanted, limit, DIALECT.translate(where))
        with qdrant(self.record.name, missing=IndexUnavailable):
            responses = await self._nodes.query_batch_points(self._collection, requests)
            ids = sorted({int(point.id) for response in responses for point in response.points})
            return await self._read(ids, vector, words, wanted) if ids else []

    async def verified(self) -> None:
        """As `Index.verified`."""

    async def count(self) -> int:
        """As `Index.count`."""
        with qdrant(self.record.name, missing=IndexUnavailable):
            counted = await self._nodes.count(self._collection, count_filter=self._place.condition(), exact=True)
        return int(counted.count)

    async def sample(self, limit: int) -> list[Candidate]:
        """As `Index.sample`; of an increment half are entries that it brought, the others random."""
        with qdrant(self.record.name, missing=IndexUnavailable):
            if not self._place.increment and not self._place.hidden:
                read = await self._nodes.retrieve(
                    self._collection, self.record.spread(limit), with_payload=True, with_vectors=True
                )
            else:
                read = await self._sample_by_queries(self._place.increment or 0, limit)
        return [candidate_of(point, self.record.dimension) for point in read]

    async def entries(self, ids: Collection[str]) -> list[Candidate]:
        """As `Index.entries`."""
        wanted, points = list(ids), []
        with qdrant(self.record.name, missing=IndexUnavailable):
            for start in range(0, len(wanted), ENTRIES):
                among = models.Filter(must=[_with_ids(wanted[start : start + ENTRIES])])
                read, _ = await self._nodes.scroll(
                    self._collection,
                    scroll_filter=self._place.condition(among),
                    limit=ENTRIES,
                    with_payload=True,
                    with_vectors=True,
                    timeout=SCAN_S,
                )
                points.extend(read)
        return [candidate_of(point, self.record.dimension) for point in points]

    async def holds(self, entry_id: str) -> bool:
        """As `Index.holds`."""
        same = models.Filter(must=[_with_ids([entry_id])])
        with qdrant(self.record.name):
            return bool((await self._nodes.count(self._collection, count_filter=same, exact=True)).count)

    async def digests(self) -> dict[str, str] | None:
        """As `Index.digests`."""
        if self._place.increment is None:
            return None
        digests: dict[str, str] = {}
        offset = None
        while True:
            with qdrant(self.record.name, missing=IndexUnavailable):
                points, offset = await self._nodes.scroll(
                    self._collection,
                    scroll_filter=self._place.condition(),
                    limit=PAGE,
                    offset=offset,
                    with_payload=["id", DIGEST],
                    with_vectors=False,
                    timeout=SCAN_S,
                )
            if any(DIGEST not in point.payload for point in points):
                return None
            digests.update((point.payload["id"], point.payload[DIGEST]) for point in points)
            if offset is None:
                return digests

    async def preview(self, entries: Sequence[Candidate], removed: Collection[str] = ()) -> Index:
        """As `Index.preview`. Raises IndexUnavailable for a release of a version before increments."""
        if self.frequencies is None:
            raise IndexUnavailable(f"{self.record.name} was built by an earlier version. Reindex to preview changes.")
        hidden = (*self._place.hidden, *removed, *(entry.id for entry in entries))
        place = replace(self._place, hidden=hidden)
        below = ServerIndex(self._nodes, place, self.record, self.calibration, self.frequencies)
        return PreviewIndex(below, self.frequencies, entries)

    async def close(self) -> None:
        """As `Index.close`. Does nothing: the connection belongs to the store."""

    def _words(self, text: str) -> models.SparseVector:
        """The words of a question, each weighted with its inverse document frequency."""
        words = self._tokenizer.question(text)
        if self.frequencies is None or not words.indices:
            return models.SparseVector(**words._asdict())
        idf = self.frequencies.idf(np.array(words.indices, dtype=np.uint32))
        return models.SparseVector(indices=words.indices, values=(np.array(words.values) * idf).tolist())

    def _requests(
        self,
        vector: Any,  # noqa: ANN401 - as the client has it
        words: models.SparseVector,
        wanted: QuestionKeys,
        limit: int,
        where: models.Filter | None,
    ) -> list[models.QueryRequest]:
        """The queries for ids: by answer, by phrasing, by words and by each kind of key."""
        condition = self._place.condition(where)
        requests = [_nearest(vector, name, limit, condition) for name in (ANSWER, QUESTIONS)]
        if words.indices:
            requests.append(_nearest(words, BM25, limit, condition))
        for keys in (wanted.phrasings, wanted.identifiers) if self.record.common_identifiers is not None else ():
            if keys:
                requests.append(_nearest(vector, ANSWER, limit, self._place.condition(where, _holding(keys))))
        return requests

    async def _sample_by_queries(self, increment: int, limit: int) -> Sequence[Any]:
        added, earlier = after(increment - 1), models.Filter(must_not=[after(increment - 1)])
        if not increment:
            added, earlier = earlier, added
        new, _ = await self._nodes.scroll(
            self._collection,
            scroll_filter=self._place.condition(added),
            limit=limit - limit // 2,
            with_payload=True,
            with_vectors=True,
            timeout=SCAN_S,
        )
        others = await self._nodes.query_points(
            self._collection,
            query=models.SampleQuery(sample=models.Sample.RANDOM),
            query_filter=self._place.condition(earlier),
            limit=limit - len(new),
            with_payload=True,
            with_vectors=True,
        )
        return [*new, *others.points]

    async def _read(
        self,
        ids: list[int],
        vector: Any,  # noqa: ANN401 - as the client has it
        words: models.SparseVector,
        wanted: QuestionKeys,
    ) -> list[Candidate]:
        """The entries with these ids. A query for the nearest answers among them returns all: each has an answer."""
        among = models.Filter(must=[models.HasIdCondition(has_id=list(ids))])
        every = models.QueryRequest(
            query=vector, using=ANSWER, limit=len(ids), filter=among, with_payload=True, with_vector=True
        )
        scored = models.QueryRequest(query=words, using=BM25, limit=len(ids), filter=among)
        read, *by_words = await self._nodes.query_batch_points(
            self._collection, [every, *([scored] if words.indices else [])]
        )
        lexical = {point.id: point.score for response in by_words for point in response.points}
        return [candidate_of(point, self.record.dimension, lexical.get(point.id, 0.0), wanted) for point in read.points]


def _nearest(
    query: Any,  # noqa: ANN401 - a dense or a sparse vector
    name: str,
    limit: int,
    condition: models.Filter | None,
) -> models.QueryRequest:
    params = None if name == BM25 else SEARCH_PARAMS
    return models.QueryRequest(query=query, using=name, limit=limit, filter=condition, params=params)


def _with_ids(ids: Collection[str]) -> models.FieldCondition:
    return models.FieldCondition(key="id", match=models.MatchAny(any=list(ids)))


def _holding(keys: Collection[str]) -> models.Filter:
    """A filter for the entries that have any of the keys."""
    return models.Filter(must=[models.FieldCondition(key=KEYS, match=models.MatchAny(any=list(keys)))])
