"""One release of the embedded index, open for reading: the segment of a publish, and above it the increments."""

import asyncio
from collections.abc import Callable, Collection, Mapping, Sequence

import numpy as np

from app.arrays import Vectors
from app.index.candidates import NO_MATCH, Candidate, Match, Question
from app.index.filters import Filter, check
from app.index.increment import Increment
from app.index.lookup import question_keys
from app.index.nearness import Near
from app.index.overlay import Overlay
from app.index.protocol import Calibration, IndexRecord, SearchNow
from app.index.scan import Scan
from app.index.segment import Segment
from app.index.words import WordTokenizer

Matches = Mapping[int, Match]  # how the keys of entries match those of a question, by the numbers of the entries


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
        parts = [segment.searched, *([overlay.searched] if overlay.searched else [])]
        self._scan = Scan(parts, WordTokenizer(record.language, record.average_length), overlay.hidden)
        self._closed = False

    async def search(self, question: Question, limit: int, where: Filter) -> list[Candidate]:
        """As `Index.search`."""
        check(where, self.record.fields)
        (candidates,) = await asyncio.to_thread(self._scanned, [question], [limit], where)
        return candidates

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
        return await asyncio.to_thread(self._read, numbers.tolist())

    async def entries(self, ids: Collection[str]) -> list[Candidate]:
        """As `Index.entries`."""

        def read() -> list[Candidate]:
            of_segment = [number for number in self._segment.numbers(ids) if number not in self._overlay.hidden]
            return self._read(
                of_segment + [self._overlay.numbers[name] for name in ids if name in self._overlay.numbers]
            )

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

    def _scanned(
        self, questions: Sequence[Question], limits: Sequence[int], where: Filter | None = None
    ) -> list[list[Candidate]]:
        """The candidates of each question, by one scan."""
        allowed = None
        if where:
            meeting = [self._segment.metadata.meeting(where), self._overlay.meeting(where)]
            allowed = [np.concatenate(meeting)] * len(questions)
        matches = [self._matches(question) for question in questions]
        scores = self._scan.nearest(questions, limits, [_groups(of_question) for of_question in matches], allowed)
        found = zip(questions, matches, scores, strict=True)
        return [self._read(list(bm25), match, bm25, question.vector) for question, match, bm25 in found]

    def _matches(self, question: Question) -> Matches:
        wanted = question_keys(question)
        of_segment = self._segment.lookup.find(wanted)
        shown = {number: match for number, match in of_segment.items() if number not in self._overlay.hidden}
        return shown | self._overlay.find(wanted)

    def _read(
        self,
        numbers: Sequence[int],
        matches: Matches | None = None,
        lexical: Mapping[int, float] | None = None,
        vector: Vectors | None = None,
    ) -> list[Candidate]:
        """The entries, each with its BM25 score and how its keys match.

        `vector`: of the question, where it is known how near the entries of the segment are to it.
        """
        in_segment = [number for number in numbers if number < self._overlay.first]
        entries = self._segment.read(in_segment)
        matches, lexical = matches or {}, lexical or {}
        near: Mapping[int, Near] = {} if vector is None else self._segment.nearness(list(entries), vector)
        if len(in_segment) < len(numbers):
            entries = entries | self._overlay.read(numbers)
        return [
            Candidate(
                entry.id,
                entry.payload,
                entry.answer,
                entry.questions,
                entry.negatives,
                lexical.get(number, 0.0),
                matches.get(number, NO_MATCH),
                near.get(number),
            )
            for number, entry in entries.items()
        ]


def _groups(matches: Matches) -> list[list[int]]:
    """The entries whose phrasing is the question, and those that hold one of its identifiers; no group is empty."""
    same = [number for number, match in matches.items() if match.same or match.folded]
    holders = [number for number, match in matches.items() if match.identifiers]
    return [sorted(group) for group in (same, holders) if group]
