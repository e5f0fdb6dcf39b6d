"""Lists of entries, a page at a time: which entries, in which order, and the cursors between the pages."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal, cast, get_args

from sqlalchemy import ColumnElement, Connection, func, select, tuple_

from app.errors import InputError
from app.knowledge.entry import Entry
from app.knowledge.publication import State
from app.knowledge.search import has_term, holds
from app.knowledge.stems import Stems
from app.knowledge.stored import COLUMNS, Stored, stored_of
from app.knowledge.tables import EntryRow
from app.text.cursor import UNREADABLE, decoded, encoded

Sort = Literal["position", "-position", "id", "-id", "created", "-created", "updated", "-updated"]
Place = tuple[Any, str]  # the value that a list is sorted by, and the id: the key of the order

SORTS: tuple[Sort, ...] = get_args(Sort)
_KEYS: dict[str, Any] = {
    "position": EntryRow.position,
    "id": EntryRow.id,
    "created": EntryRow.created_at,
    "updated": EntryRow.updated_at,
}
_LARGEST = 2**31  # position is a 32-bit column


@dataclass(frozen=True)
class Selection:
    """Which entries, and in which order; `-` in front of a sort is the reverse.

    `search`: a text in id, question, alternatives or answer, whatever its case, or words that an entry has in any form.
    `metadata`: keys and values that an
    entry must all have. `updated_from` is included, `updated_before` is not.
    """

    search: str | None = None
    states: Sequence[State] = ()
    metadata: Sequence[tuple[str, str]] = ()
    updated_from: datetime | None = None
    updated_before: datetime | None = None
    sort: Sort = "position"

    def conditions(self, stems: Stems | None = None) -> list[ColumnElement[bool]]:
        """The conditions that an entry must meet. `stems`: the language to search in; None compares texts alone."""
        conditions = [has_term(key, value) for key, value in self.metadata]
        if self.search:
            conditions.append(stems.matching(self.search) if stems else holds(self.search))
        if self.states:
            conditions.append(EntryRow.state.in_(self.states))
        if self.updated_from:
            conditions.append(EntryRow.updated_at >= self.updated_from)
        if self.updated_before:
            conditions.append(EntryRow.updated_at < self.updated_before)
        return conditions


@dataclass(frozen=True)
class Page:
    """Some entries, in order. `total`: how many match on all pages; `next_after`: the cursor of the page that follows,
    None on the last."""

    stored: list[Stored]
    total: int
    next_after: str | None

    @property
    def entries(self) -> list[Entry]:
        """The entries alone."""
        return [stored.entry for stored in self.stored]


def page(
    connection: Connection, selection: Selection, limit: int, after: str | None, stems: Stems | None = None
) -> Page:
    """Up to `limit` entries. `after`: the cursor of the page before, which stays valid when entries are deleted.

    Raises InputError for an `after` that is no cursor of this order.
    """
    descending, key = selection.sort.startswith("-"), _KEYS[selection.sort.removeprefix("-")]
    conditions = selection.conditions(stems)
    count = select(func.count()).select_from(EntryRow).where(*conditions)
    order = [column.desc() if descending else column for column in dict.fromkeys((key, EntryRow.id))]
    ids = select(EntryRow.id).where(*conditions).order_by(*order).limit(limit + 1)  # sorts no long texts
    if after is not None:
        place, here = place_of(after, selection.sort), tuple_(key, EntryRow.id)
        ids = ids.where(here < place if descending else here > place)
    query = select(*COLUMNS, key.label("sorted_by")).where(EntryRow.id.in_(ids.scalar_subquery())).order_by(*order)
    rows = connection.execute(query).all()
    last = rows[limit - 1] if len(rows) > limit else None
    following = cursor((last.sorted_by, last.id), selection.sort) if last else None
    return Page([stored_of(row) for row in rows[:limit]], connection.scalar(count) or 0, following)


def cursor(place: Place, sort: Sort = "position") -> str:
    """The cursor of the page that follows `place`: opaque to the caller."""
    value, entry_id = place
    text = value.astimezone(UTC).isoformat() if isinstance(value, datetime) else value
    parts = [text, entry_id] if sort == "position" else [text, entry_id, sort]
    return encoded(parts)


def place_of(text: str, sort: Sort = "position") -> Place:
    """What `cursor` made a text of. Raises InputError for any other text, and for the cursor of another order."""
    try:
        value, entry_id, *_ = cast(list[object], decoded(text))
        place = _value(value, sort.removeprefix("-")), str(entry_id)
        if cursor(place, sort) == text and "\0" not in place[1]:
            return place
    except UNREADABLE:
        pass
    raise InputError(
        "`after` is not a cursor of this order. Pass `next_after` of the page before, unchanged, with the same `sort`.",
        "after",
    )


def _value(value: object, key: str) -> object:
    if key == "position":
        position = int(value)  # type: ignore[call-overload]
        if abs(position) >= _LARGEST:
            raise ValueError("no position")
        return position
    text = str(value)
    if "\0" in text:
        raise ValueError("no value")
    return text if key == "id" else datetime.fromisoformat(text)
