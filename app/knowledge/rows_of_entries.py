"""Entries as rows of the database, and back."""

from collections.abc import Sequence
from typing import Any

from pydantic import ValidationError

from app.errors import StoreError
from app.knowledge.entry import Entry
from app.knowledge.search import searchable, terms
from app.knowledge.stems import Stems
from app.knowledge.tables import EntryRow, utc_now

ENTRY_COLUMNS = (
    EntryRow.id,
    EntryRow.question,
    EntryRow.answer,
    EntryRow.alternatives,
    EntryRow.negatives,
    EntryRow.meta,
    EntryRow.state,
    EntryRow.valid_from,
    EntryRow.valid_until,
    EntryRow.follow_ups,
)
NO_STEMS = {"stems": "", "stem_language": ""}
FIELDS = tuple(column.name for column in ENTRY_COLUMNS)


def entry_of(row: Sequence[object]) -> Entry:
    """The entry of a row of ENTRY_COLUMNS. Raises StoreError for one that is damaged."""
    try:
        return Entry.model_validate(dict(zip(FIELDS, row, strict=True)))
    except ValidationError as error:
        raise StoreError(f"The entry `{row[0]}` in the database is damaged: {error.errors()[0]['msg']}.") from error


def values_of(entry: Entry, digest: str, position: int, stems: Stems | None = None) -> dict[str, Any]:
    """The columns of an entry's row, without its id and the time that it was made. `stems`: None writes none."""
    stemmed = stems.columns(entry.question, entry.answer, entry.alternatives) if stems else NO_STEMS
    return stemmed | {
        "question": entry.question,
        "answer": entry.answer,
        "alternatives": entry.alternatives,
        "negatives": entry.negatives,
        "metadata": entry.metadata,
        "state": entry.state,
        "valid_from": entry.valid_from,
        "valid_until": entry.valid_until,
        "follow_ups": entry.follow_ups,
        "digest": digest,
        "position": position,
        "searchable": searchable(entry.id, entry.question, entry.answer, entry.alternatives),
        "terms": terms(entry.metadata),
        "updated_at": utc_now(),
    }
