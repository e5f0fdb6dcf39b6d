"""One release of the embedded index, open for reading: the segment of a publish, and above it the increments."""

import asyncio
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import TypeVar

import numpy as np

from app.arrays import Integers, Vectors
from app.index.candidates import Candidate, Question
from app.index.filters import Filter, check
from app.index.hits import Hits, Payload, Source, nearness_of
from app.index.increment import Increment
from app.index.lookup import Match, groups_of, question_keys
from app.index.overlay import Overlay
from app.index.protocol import Calibration, IndexRecord, SearchNow
from app.index.scan import Scan
from app.index.segment import Segment
from app.index.words import WordTokenizer

T = TypeVar("T")


class LayeredEntries:
    """The entries of a publish and of its increments, by their numbers; see `Source`."""

    def __init__(self, segment: Segment, overlay: Overlay) -> None:
        self._segment, self._overlay = segment, overlay

    def payloads(self, numbers: Sequence[int]) -> list[Payload]:
        """As `Source.payloads`."""
        return self._layered(numbers, self._segment.payloads, lambda entry: entry.payload)

    def entries(self, numbers: Sequence[int]) -> list[Candidate]:
        """As `Source.entries`."""
        return self._layered(numbers, self._segment.read, lambda entry: entry)

    def _layered(
        self, numbers: Sequence[int], of_segment: Callable[[Sequence[int]], list[T]], of_entry: Callable[[Candidate], T]
    ) -> list[T]:
        first = self._overlay.first
        if max(numbers, default=0) < first:
            return of_segment(numbers)
        below = iter(of_segment([number for number in numbers if number < first]))
        return [
            next(below) if number < first else of_entry(self._overlay.entries[number - first]) for number in numbers
        ]

    def kept(self, numbers: Sequence[int]) -> tuple[Source, int]:
        """As `Source.kept`: they are read from the files again."""
        return self, 0


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
        self._entries = LayeredEntries(segment, overlay)
        self._answers = np.concatenate([segment.answers, overlay.answers]) if overlay.entries else segment.answers
        parts = [segment.searched, *([overlay.searched] if overlay.searched else [])]
        self._scan = Scan(parts, WordTokenizer(record.language, record.average_length), overlay.hidden)
        self._closed = False

    async def search(self, question: Question, limit: int, where: Filter) -> Hits:
        """As `Index.search`."""
        check(where, self.record.fields)
        (hits,) = await asyncio.to_thread(self._scanned, [question], [limit], where)
        return hits

    @property
    def search_now(self) -> SearchNow:
        """As `Index.search_now`."""
        return self._scanned

    async def verified(self) -> None:
        """As `Index.verified`."""
        await asyncio.to_thread(self._segment.verify)

    async def count(self) -> int:
        """As `Index.count`."""
        return self._overlay.first - len(self._overlay.hidden) + len(self._overlay.entries)

    async def sample(self, limit: int) -> list[Candidate]:
        """As `Index.sample`."""
        everything = np.arange(self._overlay.first + len(self._overlay.entries))
        shown = np.setdiff1d(everything, list(self._overlay.hidden))
        numbers = shown[[place for place in self.record.spread(limit) if place < len(shown)]]
        return await asyncio.to_thread(self._entries.entries, numbers.tolist())

    async def entries(self, ids: Collection[str]) -> list[Candidate]:
        """As `Index.entries`."""

        def read() -> list[Candidate]:
            of_segment = [number for number in self._segment.numbers(ids) if number not in self._overlay.hidden]
            of_overlay = [self._overlay.numbers[name] for name in ids if name in self._overlay.numbers]
            return self._entries.entries(of_segment + of_overlay)

        return await asyncio.to_thread(read)

    async def holds(self, entry_id: str) -> bool:
        """As `Index.holds`."""
        if any(entry_id in increment.changes.digests for increment in self._overlay.increments):
            return True
        return await asyncio.to_thread(self._segment.holds, entry_id)

    async def digests(self) -> dict[str, str]:
        """As `Index.digests`."""
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

        return EmbeddedIndex(
            self.record, self.calibration, self._segment, await asyncio.to_thread(overlay), lambda: None
        )

    async def close(self) -> None:
        """As `Index.close`."""
        if not self._closed:
            self._closed = True
            await asyncio.to_thread(self._close)  # which waits where another release is being opened

    def _scanned(self, questions: Sequence[Question], limits: Sequence[int], where: Filter | None = None) -> list[Hits]:
        """What each question finds, by one scan."""
        allowed = None
        if where:
            meeting = [self._segment.metadata.meeting(where), self._overlay.meeting(where)]
            allowed = [np.concatenate(meeting)] * len(questions)
        matches = [self._matches(question) for question in questions]
        scanned = self._scan.nearest(questions, limits, list(map(groups_of, matches)), allowed)
        return [
            self._hits(numbers, lexical, of_question, question.vector)
            for question, of_question, (numbers, lexical) in zip(questions, matches, scanned, strict=True)
        ]

    def _matches(self, question: Question) -> Mapping[int, Match]:
        """How the keys of entries match those of the question, by the numbers of the entries that have such a key."""
        wanted, hidden = question_keys(question), self._overlay.hidden
        of_segment = self._segment.lookup.find(wanted)
        shown = {number: match for number, match in of_segment.items() if number not in hidden}
        return shown | self._overlay.find(wanted) if self._overlay.entries else shown

    def _hits(self, numbers: Integers, lexical: Vectors, matches: Mapping[int, Match], question: Vectors) -> Hits:
        """The entries of these numbers, ascending, with their BM25 scores."""
        shown = int(numbers.searchsorted(self._overlay.first))
        nearness = self._segment.nearness(numbers[:shown], question)
        if shown < len(numbers):
            nearness = nearness.joined(nearness_of(self._overlay.read(numbers[shown:].tolist()), question))
        places = {}
        if matches:
            places = {place: matches[number] for place, number in enumerate(numbers.tolist()) if number in matches}
        return Hits(self._entries, numbers, self._answers[numbers], nearness, lexical.astype(np.float64), places)
