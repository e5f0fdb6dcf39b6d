"""One release on a Qdrant server, open for reading; `index.server` writes and lists them."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from itertools import chain, islice
from typing import Any, NamedTuple

import numpy as np
from qdrant_client import models

from app.arrays import Vectors
from app.errors import IndexUnavailable
from app.index.candidates import Candidate, Question
from app.index.conditions import condition_of
from app.index.document_words import Frequencies
from app.index.failures import qdrant
from app.index.filters import Filter, check
from app.index.hits import Hits
from app.index.layout import DIGEST, after
from app.index.lookup import QuestionKeys, question_keys
from app.index.nodes import Nodes
from app.index.place import Place, holding, with_ids
from app.index.points import candidate_of
from app.index.protocol import ANSWER, BM25, QUESTIONS, Calibration, Index, IndexRecord
from app.index.resilience import SCAN_S
from app.index.row_cache import Rows
from app.index.rows import Row, hits_of
from app.index.searches import Search
from app.index.server_preview import PreviewIndex
from app.index.turns import Turns
from app.index.words import Sparse, WordTokenizer

PAGE, ENTRIES = 1_000, 64  # entries read at a time: their digests, or all of them
TOGETHER = 8  # questions of one call; a server works on a call for each shard in one thread


class Asked(NamedTuple):
    """A question: its vector, its words with their weights, its keys, and the searches for ids."""

    vector: Vectors
    words: Sparse
    wanted: QuestionKeys
    searches: list[Search]


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
        rows: Rows,
    ) -> None:
        """`frequencies`: of the base's words; None where the server counts words itself, as earlier versions let it."""
        self.record = record
        self.calibration = calibration
        self.frequencies = frequencies
        self._nodes = nodes
        self._place = place
        self._collection = place.collection
        self._rows = rows
        self._all = place.condition()
        self._turns = Turns(self._answered, TOGETHER)
        self._tokenizer = WordTokenizer(record.language, record.average_length)

    async def search(self, question: Question, limit: int, where: Filter) -> Hits:
        """As `Index.search`: one call for ids, and one for the rows that are not in the cache. Questions that wait
        together share both."""
        check(where, self.record.fields)
        wanted, words = question_keys(question), self._words(question.text)
        searches = self._searches(question, words, wanted, limit, condition_of(where))
        return await self._turns.ask(Asked(question.vector, words, wanted, searches))

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
                among = models.Filter(must=[with_ids(wanted[start : start + ENTRIES])])
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
        same = models.Filter(must=[with_ids([entry_id])])
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
        below = ServerIndex(self._nodes, place, self.record, self.calibration, self.frequencies, self._rows)
        return PreviewIndex(below, self.frequencies, entries)

    async def close(self) -> None:
        """As `Index.close`. Does nothing: the connection belongs to the store."""

    def _words(self, text: str) -> Sparse:
        """The words of a question, each weighted with its inverse document frequency."""
        words = self._tokenizer.question(text)
        if self.frequencies is None or not words.indices:
            return words
        idf = self.frequencies.idf(np.array(words.indices, dtype=np.uint32))
        return Sparse(words.indices, (np.array(words.values) * idf).tolist())

    def _searches(
        self, question: Question, words: Sparse, wanted: QuestionKeys, limit: int, where: models.Filter | None
    ) -> list[Search]:
        """The searches for ids: by answer, by phrasing, by words and by each kind of key."""
        condition = self._place.condition(where) if where else self._all
        searches = [Search(question.vector, name, limit, condition) for name in (ANSWER, QUESTIONS)]
        if words.indices:
            searches.append(Search(words, BM25, limit, condition))
        for keys in (wanted.phrasings, wanted.identifiers) if self.record.common_identifiers is not None else ():
            if keys:
                condition = self._place.condition(where, holding(keys))
                searches.append(Search(question.vector, ANSWER, limit, condition))
        return searches

    async def _answered(self, together: list[Asked]) -> list[Hits]:
        """The entries that each question finds."""
        with qdrant(self.record.name, missing=IndexUnavailable):
            searches = [search for asked in together for search in asked.searches]
            results = iter(await self._nodes.nearest_ids(self._collection, searches))
            ids = [sorted(set(chain.from_iterable(islice(results, len(asked.searches))))) for asked in together]
            rows = await self._rows.read(sorted(set().union(*ids)))
            return [
                await self._hits({point: rows[point] for point in of_question if point in rows}, asked)
                for of_question, asked in zip(ids, together, strict=True)
            ]

    async def _hits(self, rows: Mapping[int, Row], asked: Asked) -> Hits:
        hits = hits_of(list(rows.values()), asked.vector, asked.words, asked.wanted)
        if self.frequencies is not None or not asked.words.indices or not rows:
            return hits
        scores = await self._scores_of_server(rows, asked.words)
        return replace(hits, lexical=np.array([scores.get(point, 0.0) for point in rows]))

    async def _scores_of_server(self, ids: Collection[int], words: Sparse) -> dict[int, float]:
        """The BM25 scores of entries in a collection of an earlier version, whose words the server counts."""
        response = await self._nodes.query_points(
            self._collection,
            query=models.SparseVector(**words._asdict()),
            using=BM25,
            limit=len(ids),
            query_filter=models.Filter(must=[models.HasIdCondition(has_id=list(ids))]),
        )
        return {int(point.id): point.score for point in response.points}

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
