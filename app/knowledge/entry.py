"""One FAQ item, and the digests that name it. Knows no files and no database."""

import hashlib
import json
import math
from collections.abc import Iterable
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationInfo, field_validator

from app.knowledge.publication import FIELDS, State, clean_moment
from app.text import limits as text
from app.text.markup import plain_text

MetadataValue = str | int | float | bool | list[str]

RESERVED = frozenset(("id", "question", "answer", "alternatives", "negatives", "metadata"))

_INT64 = 2**63
_GIVEN: dict[frozenset[str], set[str]] = {}  # sets of field names, each kept once
_canonical = json.JSONEncoder(ensure_ascii=False, sort_keys=True, separators=(",", ":"), allow_nan=False).encode


def content_hash(question: str, answer: str) -> str:
    """The id of an entry that has none of its own: 16 hex digits that depend only on question and answer."""
    return _digest(_canonical([question, answer]))[:16]


def _derived_id(fields: dict[str, Any]) -> str:
    return content_hash(fields["question"], fields["answer"])


class Entry(BaseModel):
    """One FAQ item. An entry without a question is a passage. Raises pydantic's ValidationError, naming the field."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    question: str = Field("", max_length=text.QUESTION_LENGTH, description="Canonical question; empty for a passage.")
    answer: str = Field(min_length=1, max_length=text.ANSWER_LENGTH)
    id: str = Field(
        default_factory=_derived_id,
        min_length=1,
        max_length=text.NAME_LENGTH,
        description="Name of the entry. Left out: a hash of question and answer.",
    )
    alternatives: tuple[str, ...] = Field((), description="Other phrasings of the question.")
    negatives: tuple[str, ...] = Field((), description="Questions that this entry must not answer.")
    metadata: dict[str, MetadataValue] = Field(
        default_factory=dict, description="Flat: source, category, lang, url…; may be filtered by."
    )

    state: State = Field("live", description="Only live entries answer.")
    valid_from: str | None = Field(
        None, description="The moment from which the entry answers, in ISO 8601. A day means its first moment in UTC."
    )
    valid_until: str | None = Field(
        None, description="The moment from which it no longer answers. A day is the last day in UTC that it answers."
    )
    follow_ups: tuple[str, ...] = Field(
        (), description="Ids of entries whose questions are shown with the answer, to go on with."
    )

    @field_validator("question", mode="before")
    @classmethod
    def _clean_question(cls, value: object) -> str:
        return text.clean(value, "question", text.QUESTION_LENGTH)

    @field_validator("answer", mode="before")
    @classmethod
    def _clean_answer(cls, value: object) -> str:
        return text.clean_required(value, "answer", text.ANSWER_LENGTH)

    @field_validator("id", mode="before")
    @classmethod
    def _clean_id(cls, value: object) -> str:
        return text.clean_name(value, "id")

    @field_validator("alternatives", "negatives", mode="before")
    @classmethod
    def _clean_list(cls, value: object, info: ValidationInfo) -> tuple[str, ...]:
        return text.clean_list(value, str(info.field_name))

    @field_validator("follow_ups", mode="before")
    @classmethod
    def _clean_follow_ups(cls, value: object) -> tuple[str, ...]:
        ids = text.clean_list(value, "follow_ups")
        return tuple(dict.fromkeys(text.clean_name(entry_id, "follow_ups") for entry_id in ids))

    @field_validator("valid_from", "valid_until", mode="before")
    @classmethod
    def _clean_moment(cls, value: object, info: ValidationInfo) -> str | None:
        return clean_moment(value, str(info.field_name), end=info.field_name == "valid_until")

    @field_validator("valid_until")
    @classmethod
    def _check_order(cls, value: str | None, info: ValidationInfo) -> str | None:
        begin = info.data.get("valid_from")
        if value and begin and value <= begin:
            raise ValueError("`valid_until` is not after `valid_from`, so the entry would never answer")
        return value

    @field_validator("metadata", mode="before")
    @classmethod
    def _clean_metadata(cls, value: object) -> dict[str, MetadataValue]:
        return clean_metadata(value)

    def model_post_init(self, _: object) -> None:
        """Entries with the same fields given share one set of their names, which would be half of an entry's memory."""
        given = self.__pydantic_fields_set__
        object.__setattr__(self, "__pydantic_fields_set__", _GIVEN.setdefault(frozenset(given), given))

    @property
    def phrasings(self) -> tuple[str, ...]:
        """Every question text of the entry, the canonical one first, without repeats; none for a passage."""
        return tuple(dict.fromkeys(phrasing for phrasing in (self.question, *self.alternatives) if phrasing))

    @property
    def plain_answer(self) -> str:
        """The answer without markup, which ranking and training read. Each call parses the markup again."""
        return plain_text(self.answer)

    @property
    def publication(self) -> dict[str, Any]:
        """State, validity and follow-ups, without those that have their default; empty for most entries."""
        values = self.state, self.valid_from, self.valid_until, self.follow_ups
        return {name: value for name, value in zip(FIELDS, values, strict=True) if value and value != "live"}

    @property
    def content_digest(self) -> str:
        """SHA-256 in hex of every field except the id. Entries with the same content have the same digest."""
        content = [self.question, self.answer, self.alternatives, self.negatives, self.metadata]
        if publication := self.publication:  # else the digest is that of versions that had no such fields
            content.append(publication)
        return _digest(_canonical(content))

    @property
    def digest(self) -> str:
        """SHA-256 in hex of every field, the id included."""
        return _digest(f"{self.content_digest} {self.id}")


def knowledge_revision(entries: Iterable[Entry]) -> str:
    """Twelve hex digits that change when anything in any entry does; the order of the entries does not count."""
    return revision_of_digests(entry.digest for entry in entries)


def revision_of_digests(digests: Iterable[str]) -> str:
    """The knowledge's revision, from the digests of its entries."""
    return _digest("\n".join(sorted(digests)))[:12]


def clean_metadata(value: object) -> dict[str, MetadataValue]:
    """Flat metadata without nulls, NaN and infinities. Raises ValueError naming the key that is not acceptable."""
    if not isinstance(value, dict):
        raise ValueError(f"`metadata` must be an object, not {text.kind_of_value(value)}")
    return {_clean_key(key): _clean_value(item, key) for key, item in value.items() if not is_absent(item)}


def is_absent(value: object) -> bool:
    """True for values that are read as absent: null, NaN, the infinities."""
    return value is None or (isinstance(value, float) and not math.isfinite(value))


def _clean_key(key: object) -> str:
    text.clean_name(key, "a metadata key")
    if key in RESERVED:
        raise ValueError(f"metadata may not hold `{key}`: that name is reserved")
    return str(key)


def _clean_value(value: object, key: str) -> MetadataValue:
    if isinstance(value, bool | float):
        return value
    if isinstance(value, int):
        if not -_INT64 <= value < _INT64:
            raise ValueError(f"`{key}` is a number beyond 64 bits; write it as text")
        return value
    if isinstance(value, list | tuple):
        return list(text.clean_list([item for item in value if not is_absent(item)], key))
    if isinstance(value, dict):
        raise ValueError(f"`{key}` is an object; metadata is flat: texts, numbers, true or false, lists of texts")
    return text.clean(value, key, text.ANSWER_LENGTH)


def _digest(canonical: str) -> str:
    return hashlib.sha256(canonical.encode()).hexdigest()
