"""Entries over the wire: what a client sends to change them, and what it gets."""

from collections.abc import Sequence
from typing import Annotated, Any, Literal

from fastapi.exceptions import RequestValidationError
from pydantic import AfterValidator, Field, FiniteFloat, ValidationError

from app.api.lint_schemas import FindingReply
from app.api.schemas import Strict
from app.knowledge.entry import Entry
from app.knowledge.publication import State
from app.text.limits import clean_name

EntryId = Annotated[str, AfterValidator(lambda value: clean_name(value, "id"))]
Value = str | bool | int | FiniteFloat | list[str]


class EntryBody(Strict):
    """An entry, whole. Fields that are left out have their defaults."""

    id: EntryId | None = Field(None, description="Of a new entry; left out: a hash of question and answer.")
    question: str = Field("", description="Canonical question; empty for a passage.")
    answer: str
    alternatives: list[str] = Field([], description="Other phrasings of the question.")
    negatives: list[str] = Field([], description="Questions that this entry must not answer.")
    metadata: dict[str, Value] = Field({}, description="Flat: source, category, lang, url…; may be filtered by.")
    state: State = Field("live", description="Only live entries answer.")
    valid_from: str | None = Field(
        None,
        description="From then on it answers: ISO 8601, as 2026-12-31T18:00:00Z; a day is its first moment in UTC.",
    )
    valid_until: str | None = Field(
        None, description="From then on it no longer answers; a day is the last day in UTC on which it answers."
    )
    follow_ups: list[str] = Field([], description="Ids of entries whose questions are shown with the answer.")

    def entry(self, entry_id: str | None = None, location: Sequence[str | int] = ("body",)) -> Entry:
        """The entry; `entry_id` where it has one already. Raises RequestValidationError, naming the field."""
        fields = self.model_dump(exclude_unset=True)
        given = fields.pop("id", None)
        if entry_id is not None and given not in (None, entry_id):
            message = f"the entry is `{entry_id}`; an id cannot be changed. Leave it out, or add a new entry"
            raise RequestValidationError([{"type": "value_error", "loc": (*location, "id"), "msg": message}])
        name = entry_id or given
        return checked_entry(fields | ({"id": name} if name else {}), location)


class EntryChanges(Strict):
    """Fields to change, as a JSON merge patch (RFC 7396): what is left out stays, null takes the default, and of
    metadata each key by itself."""

    question: str | None = None
    answer: str | None = None
    alternatives: list[str] | None = None
    negatives: list[str] | None = None
    metadata: dict[str, Value | None] | None = None
    state: State | None = None
    valid_from: str | None = None
    valid_until: str | None = None
    follow_ups: list[str] | None = None

    def changed(self, entry: Entry, location: Sequence[str | int] = ("body",)) -> Entry:
        """The entry with these changes. Raises RequestValidationError, naming the field."""
        changes = self.model_dump(exclude_unset=True)
        if changes.get("metadata"):
            changes["metadata"] = entry.metadata | changes["metadata"]
        fields = entry.model_dump() | changes
        return checked_entry({name: value for name, value in fields.items() if value is not None}, location)


def checked_entry(fields: dict[str, Any], location: Sequence[str | int]) -> Entry:
    """The entry of these fields. Raises RequestValidationError, naming the field within `location`."""
    try:
        return Entry.model_validate(fields)
    except ValidationError as error:
        problems = [
            {**problem, "loc": (*location, *problem["loc"])}
            for problem in error.errors(include_url=False, include_context=False, include_input=False)
            if problem["type"] != "default_factory_not_called"  # the id, which needs a good question and answer
        ]
        raise RequestValidationError(problems) from None


class EntryReply(Strict):
    """One entry of the store."""

    id: str
    question: str
    alternatives: list[str]
    negatives: list[str]
    answer: str
    metadata: dict[str, Any]
    state: State
    valid_from: str | None
    valid_until: str | None
    follow_ups: list[str]
    version: int
    etag: str = Field(description="Entity tag of this version, for If-Match.")
    changed_by: str | None = Field(description="The key that wrote this version; null where it was not recorded.")
    created_at: str
    updated_at: str


class SavedEntry(EntryReply):
    """An entry that was just saved."""

    warnings: list[FindingReply] = Field(description="Likely mistakes in it, also beside what the live release has.")


class EntryList(Strict):
    """A page of entries, in order."""

    entries: list[EntryReply]
    total: int = Field(description="Entries that match, on all pages.")
    next_after: str | None = Field(
        description="Pass as `after` for the next page; null on the last. Opaque, and valid when entries are deleted."
    )


class DifferenceReply(Strict):
    """A field that a version changed; of metadata one key, as `metadata.KEY`. null: it has no value."""

    field: str
    before: Any
    after: Any


class VersionReply(Strict):
    """One version of an entry."""

    version: int
    act: Literal["imported", "created", "updated", "archived", "restored", "removed"]
    by: str | None = Field(description="The key's name; `command line`; null where it was not recorded.")
    at: str
    differences: list[DifferenceReply] = Field(description="From the version before.")


class HistoryReply(Strict):
    """The versions of an entry that are kept, newest first."""

    id: str
    versions: list[VersionReply]
    total: int
    next_before: int | None = Field(description="Pass as `before` for older versions; null where there are none.")


class PurgeReply(Strict):
    """An entry that was erased with its history."""

    id: str
    purged: Literal[True]
    releases: list[str] = Field(
        description="Kept releases that still hold its text. They are deleted when a release without it is active, "
        "which is built at once."
    )
