"""What an index must do: the one protocol that the embedded engine and the Qdrant server both keep.

An index is immutable: built once under a name of its own, then only read. Which one is active is a pointer beside it.
"""

import re
from collections.abc import Iterable
from typing import Any, Protocol

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from app.retrieval.filters import FLAGS, Kind, Where, flags_of
from app.retrieval.ranking import Candidate, Vectors

RELEASE = re.compile(r"^faq-[0-9a-f]{12}-[0-9a-f]{12}(-\d+)?$")  # bundle's and knowledge's revision
ANSWER, QUESTIONS = "answer", "questions"  # the named vectors of a point


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


class Index(Protocol):
    """An open index, for reading."""

    record: IndexRecord

    async def search(self, question: Vectors, limit: int, where: Where) -> list[Candidate]:
        """The nearest `limit` entries by answer and by phrasing, together, in no order; `question` is (dimension,).

        Raises InputError naming a field that no entry has, IndexUnavailable when the index does not answer.
        """

    async def count(self) -> int:
        """How many entries it really holds."""

    async def sample(self, limit: int) -> list[Candidate]:
        """Up to `limit` entries, spread over the index, for verification."""

    async def close(self) -> None:
        """Release what it holds; idempotent."""


class IndexStore(Protocol):
    """All indexes of one place, and the pointer to the active one."""

    async def build(self, record: IndexRecord, batches: Iterable[list[Candidate]]) -> None:
        """Write a new index. It exists under its name only when this has returned; an unfinished one never shows."""

    async def open(self, name: str) -> Index:
        """Open an index for reading. Raises NotFound, or IndexUnavailable when it is there but cannot be read."""

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


def vectors_of(candidate: Candidate) -> dict[str, Any]:
    """The named vectors of a point; `questions` is left out for a passage, as an empty multivector is refused."""
    vectors = {ANSWER: candidate.answer.tolist()}
    if len(candidate.questions):
        vectors[QUESTIONS] = candidate.questions.tolist()
    return vectors


def payload_of(candidate: Candidate) -> dict[str, Any]:
    """The payload of a point: the entry's, and its booleans in the form that filters match."""
    flags = flags_of(candidate.payload["metadata"])
    return {**candidate.payload, FLAGS: flags} if flags else candidate.payload


def candidate_of(payload: Any, vectors: Any, dimension: int) -> Candidate:  # noqa: ANN401 - as either library returns them
    """The inverse of `vectors_of` and `payload_of`."""
    payload = {key: value for key, value in payload.items() if key != FLAGS}
    questions = np.asarray(vectors.get(QUESTIONS, ()), dtype=np.float32).reshape(-1, dimension)
    return Candidate(payload["id"], payload, np.asarray(vectors[ANSWER], dtype=np.float32), questions)
