"""What an index must do: the one protocol that the embedded engine and the Qdrant server both keep.

An index is immutable: built once under a name of its own, then only read. Which one is active is a pointer beside it.
"""

import re
from collections.abc import Iterable, Sequence
from typing import Any, Protocol

from pydantic import BaseModel, ConfigDict, Field

from app.arrays import Vectors
from app.index.candidates import Candidate, Question
from app.index.filters import FLAGS, Filter, Kind, flags_of
from app.index.words import PLAIN
from app.text.identifiers import asked_identifiers

RELEASE = re.compile(r"^faq-[0-9a-f]{12}-[0-9a-f]{12}(-\d+)?$")  # bundle's and knowledge's revision
ANSWER, QUESTIONS, NEGATIVES, BM25 = "answer", "questions", "negatives", "bm25"  # the named vectors of a point
Calibration = dict[str, Any]  # kept with an index for `ranking.calibration`, in JSON values; no index reads it
KEYS = "keys"  # where the server's payloads hold their lookup keys


class IndexRecord(BaseModel):
    """What an index says of itself, stored with it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    bundle: str
    knowledge: str
    entries: int = Field(ge=0)
    dimension: int = Field(ge=1)
    created_at: str
    fields: dict[str, list[Kind]] = Field({}, description="metadata fields that can be filtered by, and what they hold")
    language: str = Field(PLAIN, description="how words are stemmed")
    average_length: float = Field(64, gt=0, description="of an entry's text, in words")
    plain_text: int = Field(0, description="version of `app.text.markup.plain_text`; 0: no answer has markup")
    target_precision: float | None = Field(None, gt=0, lt=1, description="what its answer threshold was chosen for")
    offer_precision: float | None = Field(None, gt=0, lt=1, description="what its offer threshold was chosen for")
    unanswerable_share: float | None = Field(
        None, gt=0, lt=1, description="of the questions that nothing answers, as its confidence expects it"
    )
    common_identifiers: list[str] | None = Field(
        None, description="identifiers that too many entries hold to tell them apart; None: built without a lookup"
    )

    def question(self, text: str, vector: Vectors) -> Question:
        """A question to ask of this index: with those of its identifiers that few entries hold.

        An index without a lookup is asked without identifiers.
        """
        if self.common_identifiers is None:
            return Question(text, vector)
        return Question(text, vector, asked_identifiers(text).difference(self.common_identifiers))


class Index(Protocol):
    """An open index, for reading."""

    record: IndexRecord
    calibration: Calibration | None

    async def search(self, question: Question, limit: int, where: Filter) -> list[Candidate]:
        """The best `limit` entries by answer, by phrasing and by words, together, in no order, each with its BM25.

        Among them are up to `limit` entries whose phrasing is the question, and up to `limit` that hold one of its
        identifiers, however similar they are. Each says how its keys match the question's.

        Raises InputError naming a field that no entry has, IndexUnavailable when the index does not answer.
        """

    async def count(self) -> int:
        """How many entries it really holds."""

    async def sample(self, limit: int) -> list[Candidate]:
        """Up to `limit` entries, spread over the index, for verification."""

    async def holds(self, entry_id: str) -> bool:
        """Whether an entry of this id is in it."""

    async def close(self) -> None:
        """Release what it holds; idempotent."""


class IndexStore(Protocol):
    """All indexes of one place, and the pointer to the active one."""

    async def build(self, record: IndexRecord, batches: Iterable[list[Candidate]]) -> None:
        """Write a new index. It exists under its name only when this has returned; an unfinished one never shows."""

    async def open(self, name: str) -> Index:
        """Open an index for reading. Raises NotFound, or IndexUnavailable when it is there but cannot be read."""

    async def calibrate(self, name: str, calibration: Calibration) -> None:
        """Keep a calibration with a release, and replace an earlier one. Raises NotFound."""

    async def calibration(self, name: str) -> Calibration | None:
        """The calibration that a release keeps, or None. Raises IndexUnavailable where it cannot be read."""

    async def records(self) -> list[IndexRecord]:
        """Every finished index, oldest first."""

    async def names(self) -> list[str]:
        """Every name that a release has taken, whole or damaged."""

    async def drop(self, name: str) -> None:
        """Delete an index; no error where there is none."""

    async def sweep(self) -> None:
        """Delete what unfinished builds left behind. Only for the one who holds the writer's lock."""

    async def pointer(self) -> tuple[str | None, str | None]:
        """The names of the active index and of the one that was active before it."""

    async def activate(self, name: str) -> None:
        """Make an index the active one, atomically; the present one becomes the one before it."""

    async def close(self) -> None:
        """Release connections; idempotent."""


def stored_payload(candidate: Candidate, keys: Sequence[str] = ()) -> dict[str, Any]:
    """The payload of a point: the entry's, its booleans in the form that filters match, and its lookup keys."""
    flags = flags_of(candidate.payload["metadata"])
    return {**candidate.payload, **({FLAGS: flags} if flags else {}), **({KEYS: list(keys)} if keys else {})}


def own_payload(payload: Any) -> dict[str, Any]:  # noqa: ANN401 - as either library returns it
    """The inverse of `stored_payload`: the entry's own."""
    return {key: value for key, value in payload.items() if key not in (FLAGS, KEYS)}
