"""What separates the entries of a release from those that the store would publish."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import ColumnElement, Connection, Text, cast, select

from app.batches import batches
from app.knowledge.entry import Entry
from app.knowledge.rows_of_entries import ENTRY_COLUMNS, entry_of
from app.knowledge.tables import EntryRow

_BATCH = 1_000  # ids in one query


@dataclass(frozen=True)
class Changes:
    """The changes that bring a release up to date, and what it holds then.

    `entries`: those that are new or changed, or whose follow-ups are. `removed`: ids. `digests`: of all entries after
    the changes, by id. `questions`: of the follow-ups of `entries`, by id. `complete`: the store has no other changes.
    """

    entries: Sequence[Entry]
    removed: frozenset[str]
    digests: Mapping[str, str]
    questions: Mapping[str, str]
    complete: bool


def changes_since(
    connection: Connection, published: ColumnElement[bool], digests: Mapping[str, str], only: Collection[str] | None
) -> Changes:
    """The changes since a release whose entries have these digests, by id; of the entries `only`, or of all if None.

    `published`: the condition that a release of now holds an entry.
    """
    stored = {row[0]: row[1] for row in connection.execute(select(EntryRow.id, EntryRow.digest).where(published))}
    changed = {name for name, digest in stored.items() if digests.get(name) != digest}
    removed = digests.keys() - stored.keys()
    complete = only is None or (changed | removed) <= set(only)
    if only is not None:
        changed, removed = changed & set(only), removed & set(only)
    after = {name: digest for name, digest in digests.items() if name not in removed}
    after |= {name: stored[name] for name in changed}
    same = {name for name, digest in stored.items() if after.get(name) == digest}
    followers = set(_following(connection, published, changed | removed)) & same
    entries = list(_entries(connection, published, changed | followers))
    followed = {name for entry in entries for name in entry.follow_ups if name in after}
    return Changes(entries, frozenset(removed), after, _questions(connection, published, followed), complete)


def _following(connection: Connection, published: ColumnElement[bool], ids: Collection[str]) -> Iterator[str]:
    """The ids of the entries that have any of these among their follow-ups."""
    if not ids:
        return
    has_any = cast(EntryRow.follow_ups, Text) != "[]"
    for name, follow_ups in connection.execute(select(EntryRow.id, EntryRow.follow_ups).where(published, has_any)):
        if not set(ids).isdisjoint(follow_ups):
            yield name


def _entries(connection: Connection, published: ColumnElement[bool], ids: Collection[str]) -> Iterator[Entry]:
    for batch in batches(sorted(ids), _BATCH):
        for row in connection.execute(select(*ENTRY_COLUMNS).where(published, EntryRow.id.in_(batch))):
            yield entry_of(row)


def _questions(connection: Connection, published: ColumnElement[bool], ids: Collection[str]) -> dict[str, str]:
    questions: dict[str, str] = {}
    for batch in batches(sorted(ids), _BATCH):
        query = select(EntryRow.id, EntryRow.question).where(published, EntryRow.id.in_(batch))
        questions |= {row[0]: row[1] for row in connection.execute(query) if row[1]}
    return questions
