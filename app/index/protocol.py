"""The protocol of an index, which the embedded index and the Qdrant server both implement.

An index is immutable: it is built once, under a name of its own, and then only read. A separate pointer says which
one is active.

A publish is built from all entries. An increment extends a publish, its base: it holds what its parent holds, the base
or the increment before it, with some entries added, replaced or removed. The increments of one base form a line, so
each extends the newest. Inverse document frequencies, the average length and the common identifiers stay the base's.
"""

import re
from collections.abc import Callable, Collection, Iterable, Sequence
from typing import Any, Protocol

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from app.arrays import Vectors
from app.index.candidates import Candidate, Question
from app.index.filters import Filter, Kind
from app.index.hits import Hits
from app.text.identifiers import asked_identifiers
from app.text.words import PLAIN

RELEASE = re.compile(r"^faq-[0-9a-f]{12}-[0-9a-f]{12}(-\d+)?$")  # bundle's and knowledge's revision
ANSWER, QUESTIONS, NEGATIVES, BM25 = "answer", "questions", "negatives", "bm25"  # the named vectors of a point
Calibration = dict[str, Any]  # JSON values that an index keeps for `ranking.calibration`; no index reads them
KEYS = "keys"  # where the server's payloads hold their lookup keys


class IndexRecord(BaseModel):
    """The description of an index, which is stored with it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    bundle: str
    knowledge: str
    entries: int = Field(ge=0)
    dimension: int = Field(ge=1)
    created_at: str
    fields: dict[str, list[Kind]] = Field({}, description="metadata fields to filter by, and the kinds of their values")
    language: str = Field(PLAIN, description="the language of stemming and stop words")
    average_length: float = Field(64, gt=0, description="of an entry's text, in words")
    plain_text: int = Field(0, description="version of `app.text.markup.plain_text`; 0: no answer has markup")
    target_precision: float | None = Field(
        None, gt=0, lt=1, description="the precision that its answer threshold was chosen for"
    )
    offer_precision: float | None = Field(
        None, gt=0, lt=1, description="the precision that its offer threshold was chosen for"
    )
    unanswerable_share: float | None = Field(
        None, gt=0, lt=1, description="the share of questions without an answer that its confidence assumes"
    )
    common_identifiers: list[str] | None = Field(
        None, description="identifiers of too many entries to distinguish between them; None: built without a lookup"
    )
    base: str | None = Field(None, description="the publish that an increment extends; None: it is a publish itself")
    increment: int = Field(0, ge=0, description="the number of the increment in the line of its base; 0: a publish")
    changed: int = Field(0, ge=0, description="entries added, replaced and removed by its line of increments, summed")

    def question(self, text: str, vector: Vectors) -> Question:
        """A question for this index, with those of its identifiers that few entries hold.

        It has no identifiers where the index has no lookup.
        """
        if self.common_identifiers is None:
            return Question(text, vector)
        return Question(text, vector, asked_identifiers(text).difference(self.common_identifiers))

    def spread(self, limit: int) -> list[int]:
        """The numbers of up to `limit` entries, evenly spread over the index, ascending."""
        numbers = np.linspace(0, self.entries - 1, min(limit, self.entries)).astype(int)
        return [int(number) for number in np.unique(numbers)]


SearchNow = Callable[[Sequence[Question], Sequence[int]], list[Hits]]


class Index(Protocol):
    """An open index, for reading.

    `search_now` searches for several questions without filters, each with its limit, as `search` does, but in the
    caller's thread; several threads may call it at once. None where a search waits for a server.
    """

    record: IndexRecord
    calibration: Calibration | None

    @property
    def search_now(self) -> SearchNow | None:
        """See above."""

    async def search(self, question: Question, limit: int, where: Filter) -> Hits:
        """The best `limit` entries by answer, by phrasing and by words, in no order.

        The result also holds up to `limit` entries whose phrasing is the question, and up to `limit` that hold one of
        its identifiers, whatever their similarity. Each entry says how its keys match those of the question.

        Raises InputError naming a field that no entry has, IndexUnavailable when the index does not answer.
        """

    async def verified(self) -> None:
        """Wait until all files of the index are compared with their checksums; see `IndexStore.open`.

        Raises IndexUnavailable naming a file that is damaged. Does nothing for an index on a server.
        """

    async def count(self) -> int:
        """The number of entries that the index holds, counted."""

    async def sample(self, limit: int) -> list[Candidate]:
        """Up to `limit` entries, evenly spread over the index."""

    async def entries(self, ids: Collection[str]) -> list[Candidate]:
        """The entries of these ids that the index holds, in no order."""

    async def holds(self, entry_id: str) -> bool:
        """Whether its files hold an entry of this id, also one that an increment has replaced or removed."""

    async def digests(self) -> dict[str, str] | None:
        """The digest of each entry by its id; None for a collection that an earlier version built without digests."""

    async def preview(self, entries: Sequence[Candidate], removed: Collection[str] = ()) -> "Index":
        """This index with these entries added, or in place of those with the same ids, and without the entries whose
        ids are in `removed`; in memory, nothing is written.

        It needs this index open, and closing it does not close this index.
        """

    async def close(self) -> None:
        """Close files and threads; idempotent."""


class IndexStore(Protocol):
    """All indexes in one place, and the pointer to the active one."""

    async def claim(self, owner: str, adopt: bool, bundles: Collection[str]) -> None:
        """Call it before publishing: make `owner`, the id of the store of entries, the owner of this place.

        `bundles`: the revisions of the bundles that this installation has. Raises Conflict where another store owns the
        place, unless `adopt`. A place that no other installation reaches has no owner.
        """

    async def build(
        self, record: IndexRecord, batches: Iterable[list[Candidate]], waiting: Callable[[], object] = bool
    ) -> None:
        """Write a new index. It gets its name as the last step, so an unfinished one is never listed or opened.

        `waiting` is called now and then after the last batch, while the index is built; it may raise to stop that.
        """

    async def extend(
        self, record: IndexRecord, parent: str, batches: Iterable[list[Candidate]], removed: Collection[str]
    ) -> None:
        """Write an increment: `parent`, with the entries of `batches` added or in place of those with the same ids,
        and without the entries whose ids are in `removed`.

        `parent` is the newest release of `record.base`, and `record.increment` one more than its number. No release
        changes. The increment gets its name as the last step, as in `build`. Raises NotFound for an unknown parent,
        IndexUnavailable for a collection that cannot be extended because an earlier version built it, and where the
        disk is full.
        """

    async def open(self, name: str, *, at_once: bool = False) -> Index:
        """Open an index for reading. Raises NotFound, or IndexUnavailable when it cannot be read.

        `at_once`: return before the files of a large index are compared with their checksums. The caller then awaits
        `Index.verified` beside its work.
        """

    async def calibrate(self, name: str, calibration: Calibration) -> None:
        """Store the calibration of a release in place of an earlier one. Raises NotFound."""

    async def calibration(self, name: str) -> Calibration | None:
        """The calibration stored with a release, or None. Raises IndexUnavailable where it cannot be read."""

    async def records(self) -> list[IndexRecord]:
        """Every finished index, oldest first."""

    async def names(self) -> list[str]:
        """The names of all releases, damaged ones included."""

    async def drop(self, name: str) -> None:
        """Delete an index; no error where there is none.

        The caller first drops the later increments of the same base, which need it.
        """

    async def sweep(self) -> None:
        """Delete the remains of unfinished builds. Call it only while holding the writer's lock."""

    async def pointer(self) -> tuple[str | None, str | None]:
        """The names of the active index and of the previous one."""

    async def activate(self, name: str) -> None:
        """Make an index the active one, atomically; the one that was active becomes the previous one."""

    async def close(self) -> None:
        """Release connections; idempotent."""
