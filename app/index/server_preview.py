"""A release on a Qdrant server with some entries that exist only in memory, in place of those with the same ids."""

from collections.abc import Collection, Sequence

import numpy as np

from app.index.candidates import Candidate, Question
from app.index.document_words import Frequencies
from app.index.filters import Filter
from app.index.hits import Hits
from app.index.increment import Increment
from app.index.lookup import groups_of, question_keys
from app.index.overlay import Overlay
from app.index.protocol import Index
from app.index.scan import Scan
from app.index.words import WordTokenizer


class PreviewIndex:
    """Both together; see `Index`. Closing it closes neither."""

    search_now = None

    def __init__(self, below: Index, frequencies: Frequencies, entries: Sequence[Candidate]) -> None:
        """`below`: the release without the entries that `entries` replace; `frequencies`: of its base's words."""
        self.record = below.record
        self.calibration = below.calibration
        self.frequencies = frequencies
        self._below = below
        self._entries = entries
        increment = Increment.of(self.record, self.record.name, entries, (), ())
        self._overlay = Overlay(self, [increment])
        self._scan: Scan | None = None
        if self._overlay.searched:
            tokenizer = WordTokenizer(self.record.language, self.record.average_length)
            self._scan = Scan([self._overlay.searched], tokenizer)

    async def search(self, question: Question, limit: int, where: Filter) -> Hits:
        """As `Index.search`: the best `limit` of the release and the best `limit` of the entries in memory."""
        below, above = await self._below.search(question, limit, where), self._search(question, limit, where)
        return below.joined(above) if above else below

    async def verified(self) -> None:
        """As `Index.verified`."""
        await self._below.verified()

    async def count(self) -> int:
        """As `Index.count`."""
        return await self._below.count() + len(self._entries)

    async def sample(self, limit: int) -> list[Candidate]:
        """As `Index.sample`, with the entries in memory first."""
        shown = list(self._entries[:limit])
        return [*shown, *await self._below.sample(limit - len(shown))] if len(shown) < limit else shown

    async def entries(self, ids: Collection[str]) -> list[Candidate]:
        """As `Index.entries`."""
        return [*await self._below.entries(ids), *(entry for entry in self._entries if entry.id in ids)]

    async def holds(self, entry_id: str) -> bool:
        """As `Index.holds`."""
        return any(entry.id == entry_id for entry in self._entries) or await self._below.holds(entry_id)

    async def digests(self) -> dict[str, str] | None:
        """As `Index.digests`."""
        digests = await self._below.digests()
        return None if digests is None else digests | {entry.id: entry.digest for entry in self._entries}

    async def preview(self, entries: Sequence[Candidate], removed: Collection[str] = ()) -> Index:
        """As `Index.preview`: with these entries too."""
        ids = {*removed, *(entry.id for entry in entries)}
        kept = [entry for entry in self._entries if entry.id not in ids]
        return await self._below.preview([*kept, *entries], removed)

    async def close(self) -> None:
        """As `Index.close`. Does nothing: it has no files and no threads."""

    def _search(self, question: Question, limit: int, where: Filter) -> Hits | None:
        if self._scan is None:
            return None
        first, matches = self._overlay.first, {}
        if self.record.common_identifiers is not None:
            matches = {number - first: match for number, match in self._overlay.find(question_keys(question)).items()}
        ((numbers, lexical),) = self._scan.nearest(
            [question], [limit], [groups_of(matches)], [self._overlay.meeting(where)]
        )
        places = {place: matches[number] for place, number in enumerate(numbers.tolist()) if number in matches}
        entries = [self._overlay.entries[number] for number in numbers.tolist()]
        return Hits.of(entries, question.vector, lexical.astype(np.float64), places)
