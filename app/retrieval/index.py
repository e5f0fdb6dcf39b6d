"""What an index must do: the one protocol that the embedded engine and the Qdrant server both keep.

An index is immutable: built once under a name of its own, then only read. Which one is active is a pointer beside it.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal, Protocol

from pydantic import BaseModel, ConfigDict, Field

from app.errors import InputError
from app.retrieval.ranking import Candidate, Vectors

ANSWER, QUESTIONS = "answer", "questions"  # the named vectors of a point
Kind = Literal["text", "number", "flag"]
Value = Annotated[str | int | float | bool, Field(union_mode="left_to_right")]


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


@dataclass(frozen=True, slots=True)
class Range:
    """A numeric range, both ends included; None is open."""

    gte: float | None = None
    lte: float | None = None


@dataclass(frozen=True, slots=True)
class AnyOf:
    """Equality with any of the values; a field that holds a list matches by any of its items."""

    values: tuple[str | int | float | bool, ...]


Where = Mapping[str, AnyOf | Range]  # every field must match


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


def fields_of(payloads: Iterable[Mapping[str, Any]]) -> dict[str, list[Kind]]:
    """The metadata fields of the entries and the kinds of value that each holds."""
    found: dict[str, set[Kind]] = {}
    for payload in payloads:
        for key, value in payload["metadata"].items():
            kinds = {kind_of(item) for item in (value if isinstance(value, list) else [value])}
            found.setdefault(key, set()).update(kinds)
    return {key: sorted(kinds) for key, kinds in sorted(found.items())}


def kind_of(value: object) -> Kind:
    """What a metadata value is to a filter."""
    if isinstance(value, bool):
        return "flag"
    return "number" if isinstance(value, (int, float)) else "text"


def check_where(where: Where, record: IndexRecord) -> None:
    """Refuse filters that can match nothing by mistake. Raises InputError naming the field."""
    for field, condition in where.items():
        kinds = record.fields.get(field)
        if kinds is None:
            known = ", ".join(record.fields) or "none: the entries have no metadata"
            raise InputError(f"No entry has the field `{field}`. Fields to filter by: {known}.", f"filters.{field}")
        wanted = {"number"} if isinstance(condition, Range) else {kind_of(value) for value in condition.values}
        if not wanted & set(kinds):
            raise InputError(
                f"`{field}` holds {' and '.join(kinds)}, not {' or '.join(sorted(wanted))}.", f"filters.{field}"
            )
