"""One release of the embedded index, open for reading: the segment of a publish, and above it the increments."""

import asyncio
import heapq
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, NamedTuple, TypeVar

import numpy as np
import qdrant_edge as edge

from app.index.candidates import NO_MATCH, Candidate, Match, Question
from app.index.filters import Filter, check
from app.index.increment import Increment
from app.index.lookup import QuestionKeys, keys_of, match_of, question_keys
from app.index.overlay import Overlay
from app.index.protocol import ANSWER, BM25, QUESTIONS, Calibration, IndexRecord, SearchNow
from app.index.scan import Scan
from app.index.segment import Segment
from app.index.shard import Query, Scores
from app.index.words import Sparse, WordTokenizer

T = TypeVar("T")


class Matches(NamedTuple):
    """How the keys of all entries match those of a question. `by_entry` is None where the index has no lookup."""

    wanted: QuestionKeys
    by_entry: Mapping[int, Match] | None

    def of(self, number: int, payload: Mapping[str, Any]) -> Match:
        """The match of one entry."""
        if self.by_entry is None:
            return match_of(self.wanted, keys_of(payload))
        return self.by_entry.get(number, NO_MATCH)

    def groups(self) -> list[list[int]]:
        """The entries whose phrasing is the question, and those that hold one of its identifiers; no group is empty."""
        if not self.by_entry:
            return []
        same = [number for number, match in self.by_entry.items() if match.same or match.folded]
        holders = [number for number, match in self.by_entry.items() if match.identifiers]
        return [sorted(group) for group in (same, holders) if group]


class EmbeddedIndex:
    """An open release; see `Index`. The overlay's entries are numbered after the segment's."""

    def __init__(
        self,
        record: IndexRecord,
        calibration: Calibration | None,
        segment: Segment,
        overlay: Overlay,
        close: Callable[[], None],
    ) -> None:
        """`close` is called once, when it is closed; the segment may be used by others."""
        self.record = record
        self.calibration = calibration
        self._segment, self._overlay, self._close = segment, overlay, close
        self._tokenizer = WordTokenizer(record.language, record.average_length)
        self._scan: Scan | None = None
        if segment.part:
            parts = [part for part in (segment.part, overlay.part) if part]
            self._scan = Scan(parts, self._tokenizer, overlay.hidden)
        self._closed = False

    async def search(self, question: Question, limit: int, where: Filter) -> list[Candidate]:
        """As `Index.search`: by a scan; with filters or without a scan by queries."""
        check(where, self.record.fields)
        if self.search_now and not where:
            (candidates,) = await self._run(lambda: self._scanned([question], [limit]))
            return candidates
        return await self._run(lambda: self._search(question, limit, where))

    @property
    def search_now(self) -> SearchNow | None:
        """As `Index.search_now`: None for an index that is too large to scan."""
        return self._scanned if self._scan else None

    async def count(self) -> int:
        """As `Index.count`."""
        of_segment = await self._run(self._segment.shard.count)
        return of_segment - len(self._overlay.hidden) + len(self._overlay.entries)

    async def sample(self, limit: int) -> list[Candidate]:
        """As `Index.sample`."""
        everything = np.arange(self._overlay.first + len(self._overlay.entries))
        shown = np.setdiff1d(everything, list(self._overlay.hidden))
        numbers = shown[[place for place in self.record.spread(limit) if place < len(shown)]]
        return await self._run(lambda: self._read(numbers.tolist()))

    async def entries(self, ids: Collection[str]) -> list[Candidate]:
        """As `Index.entries`."""

        def read() -> list[Candidate]:
            of_segment = [number for number in self._segment.numbers(ids) if number not in self._overlay.hidden]
            return self._read(
                of_segment + [self._overlay.numbers[name] for name in ids if name in self._overlay.numbers]
            )

        return await self._run(read)

    async def holds(self, entry_id: str) -> bool:
        """As `Index.holds`."""
        if any(entry_id in increment.changes.digests for increment in self._overlay.increments):
            return True
        return await self._run(lambda: self._segment.holds(entry_id))

    async def digests(self) -> dict[str, str] | None:
        """As `Index.digests`."""
        if not self._segment.extensible:
            return None
        digests = await asyncio.to_thread(self._segment.digests)
        for increment in self._overlay.increments:
            digests = increment.digests(digests)
        return digests

    async def preview(self, entries: Sequence[Candidate], removed: Collection[str] = ()) -> "EmbeddedIndex":
        """As `Index.preview`."""

        def overlay() -> Overlay:
            hidden = self._segment.numbers({*removed, *(entry.id for entry in entries)})
            increment = Increment.of(self.record, self.record.name, entries, removed, hidden)
            return Overlay(self._segment, [*self._overlay.increments, increment])

        return EmbeddedIndex(self.record, self.calibration, self._segment, await self._run(overlay), lambda: None)

    async def close(self) -> None:
        """As `Index.close`. Waits for the running query without blocking the event loop."""
        if not self._closed:
            self._closed = True
            await asyncio.to_thread(self._close)

    async def _run(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._segment.thread, work)

    def _scanned(self, questions: Sequence[Question], limits: Sequence[int]) -> list[list[Candidate]]:
        """The candidates of each question, by one scan."""
        assert self._scan  # noqa: S101 - see `search_now`
        matches = [self._matches(question) for question in questions]
        scores = self._scan.nearest(questions, limits, [of_question.groups() for of_question in matches])
        return [self._read(list(bm25), match, bm25) for match, bm25 in zip(matches, scores, strict=True)]

    def _matches(self, question: Question) -> Matches:
        wanted = question_keys(question)
        if self._segment.lookup is None:
            return Matches(wanted, None)
        of_segment = self._segment.lookup.find(wanted)
        shown = {number: match for number, match in of_segment.items() if number not in self._overlay.hidden}
        return Matches(wanted, shown | self._overlay.find(wanted))

    def _search(self, question: Question, limit: int, where: Filter) -> list[Candidate]:
        """By queries: the engine's for the segment, and for the overlay a scan of it, as one index."""
        words, matches = self._tokenizer.question(question.text), self._matches(question)
        vector = question.vector.tolist()
        queries = [Query(vector, ANSWER, limit), Query(vector, QUESTIONS, limit)]
        if words.indices:
            queries.append(Query(edge.SparseVector(*words), BM25, limit))
        queries += [Query(vector, ANSWER, limit, group) for group in matches.groups()]
        of_segment = self._segment.shard.search(queries, where, self._overlay.hiding)
        of_overlay = self._overlay.search(question, words, queries, where)
        numbers: set[int] = set()
        for query, segment, overlay in zip(queries, of_segment, of_overlay, strict=True):
            scores = segment | overlay
            numbers.update(heapq.nlargest(query.limit, scores, key=scores.__getitem__))
        chosen = sorted(numbers)
        return self._read(chosen, matches, self._lexical(words, chosen))

    def _lexical(self, words: Sparse, numbers: Sequence[int]) -> Scores:
        """The BM25 scores of entries; those of the segment without a word of the question are left out."""
        if not words.indices or not numbers:
            return {}
        query = Query(edge.SparseVector(*words), BM25, len(numbers), numbers)
        (scores,) = self._segment.shard.search([query], {})
        return scores | self._overlay.lexical(words)

    def _read(
        self, numbers: Sequence[int], matches: Matches | None = None, lexical: Mapping[int, float] | None = None
    ) -> list[Candidate]:
        """The entries, each with its BM25 score and how its keys match."""
        of_segment = self._segment.read([number for number in numbers if number < self._overlay.first])
        entries = of_segment | self._overlay.read(numbers)
        scores = lexical or {}
        return [
            entry._replace(
                lexical=scores.get(number, 0.0), match=matches.of(number, entry.payload) if matches else NO_MATCH
            )
            for number, entry in entries.items()
        ]
