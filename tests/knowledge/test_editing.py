"""Single entries in the store: versions, entity tags, history, validity. On both databases."""

import threading
from datetime import timedelta

import pytest

from app.errors import Conflict, NotFound, Stale
from app.knowledge.editing import Editor
from app.knowledge.entry import Entry, knowledge_revision
from app.knowledge.history import Difference
from app.knowledge.publication import moment
from app.knowledge.store import Store
from app.knowledge.tables import utc_now

A = Entry(id="a", question="Frage?", answer="Antwort", metadata={"lang": "de", "year": 2024})
PAST, FUTURE = moment(utc_now() - timedelta(days=1)), moment(utc_now() + timedelta(days=1))


def edited(entry: Entry, **fields: object) -> Entry:
    return Entry.model_validate(entry.model_dump() | fields)


def change(store: Store, entry: Entry, by: str = "ann") -> str:
    """Replace whatever is there; the new entity tag."""
    with store.edit(by) as editor:
        return editor.change(entry.id, lambda _: entry, ["*"]).etag


def test_an_entry_is_added_after_all_others(store: Store) -> None:
    store.import_entries([Entry(id="z", answer="x")], "append")
    with store.edit("ann") as editor:
        added = editor.create(A)
    assert (added.entry, added.version, added.changed_by) == (A, 1, "ann")
    assert [entry.id for entry in store.entries()] == ["z", "a"]
    with pytest.raises(Conflict, match="There is an entry `a` already"), store.edit("ben") as editor:
        editor.create(A)


def test_a_change_keeps_the_place_and_makes_a_version(store: Store) -> None:
    store.import_entries([A, Entry(id="b", answer="x")], "append")
    before = store.stored("a")
    etag = change(store, edited(A, answer="Neue Antwort"))
    after = store.stored("a")
    assert etag == after.etag != before.etag
    assert (after.version, after.created_at) == (2, before.created_at)
    assert [entry.id for entry in store.entries()] == ["a", "b"]
    assert store.page(search="neue").total == 1
    assert change(store, after.entry) == etag


def test_a_stale_change_holds_the_entry_as_it_is(store: Store) -> None:
    store.import_entries([A], "append")
    tag = store.stored("a").etag
    change(store, edited(A, answer="first"))
    with pytest.raises(Stale) as refused, store.edit("ben") as editor:
        editor.change("a", lambda entry: edited(entry, answer="second"), [tag])
    assert refused.value.current["answer"] == "first"
    assert refused.value.current["etag"] == store.stored("a").etag
    assert store.get("a").answer == "first"


def test_of_two_editors_at_one_entry_exactly_one_wins(store: Store) -> None:
    store.import_entries([A], "append")
    tag = store.stored("a").etag
    start, outcomes = threading.Barrier(2), []

    def work(answer: str) -> None:
        start.wait()
        try:
            with store.edit(answer) as editor:
                editor.change("a", lambda entry: edited(entry, answer=answer), [tag])
            outcomes.append(answer)
        except Stale as error:
            outcomes.append(f"stale: {error.current['answer']}")

    threads = [threading.Thread(target=work, args=(answer,)) for answer in ("one", "two")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    winner = store.get("a").answer
    assert sorted(outcomes) == sorted([winner, f"stale: {winner}"])
    assert [version.by for version in store.versions("a")] == [winner, None]


def test_the_history_says_who_changed_what(store: Store) -> None:
    store.import_entries([A], "append", by="command line")
    change(store, edited(A, question="Neu?", metadata={"lang": "de", "year": True}), "ann")
    with store.edit("ben") as editor:
        editor.archive("a", ["*"])
    archived, changed, imported = store.versions("a")
    assert (archived.version, archived.act, archived.by) == (3, "archived", "ben")
    assert archived.differences == (Difference("state", "live", "archived"),)
    assert (changed.act, changed.by) == ("updated", "ann")
    assert changed.differences == (
        Difference("question", "Frage?", "Neu?"),
        Difference("metadata.year", 2024, True),
    )
    assert (imported.act, imported.by) == ("imported", "command line")
    assert Difference("answer", None, "Antwort") in imported.differences
    assert archived.at >= changed.at >= imported.at


def test_an_import_makes_versions_of_what_it_changes_alone(store: Store) -> None:
    b = Entry(id="b", answer="x")
    store.import_entries([A, b], "append", by="ann")
    store.import_entries([edited(A, answer="other"), b], "append", by="ben")
    assert [(version.version, version.by) for version in store.versions("a")] == [(2, "ben"), (1, "ann")]
    assert [version.version for version in store.versions("b")] == [1]
    store.import_entries([edited(A, answer="dry")], "replace", dry_run=True)
    assert len(store.versions("a")) == 2


def test_every_version_can_be_restored(store: Store) -> None:
    store.import_entries([A], "append")
    change(store, edited(A, answer="other", state="draft"))
    with store.edit("ann") as editor:
        restored = editor.restore("a", 1, ["*"])
        with pytest.raises(NotFound, match="no version 9"):
            editor.restore("a", 9, ["*"])
    assert (restored.entry, restored.version) == (A, 3)
    assert store.versions("a")[0].act == "restored"


def test_an_entry_that_an_import_removed_can_be_restored(store: Store) -> None:
    store.import_entries([A], "append")
    store.import_entries([Entry(id="b", answer="x")], "replace", by="ben")
    with pytest.raises(NotFound):
        store.get("a")
    removed, imported = store.versions("a")
    assert (removed.version, removed.act, removed.by, removed.differences) == (2, "removed", "ben", ())
    with store.edit("ann") as editor:
        restored = editor.restore("a", imported.version, ["*"])
    assert (restored.entry, restored.version) == (A, 3)
    assert [version.version for version in store.versions("a")] == [3, 2, 1]
    store.import_entries([Entry(id="b", answer="x")], "replace")
    store.import_entries([A], "append")
    assert store.stored("a").version == 5


def test_a_purge_erases_the_history_too(store: Store) -> None:
    store.import_entries([A], "append")
    change(store, edited(A, answer="other"))
    with store.edit("ann") as editor:
        editor.purge("a", ["*"])
    for gone in (store.get, store.versions):
        with pytest.raises(NotFound):
            gone("a")


def test_what_fails_in_an_edit_undoes_all_of_it(store: Store) -> None:
    store.import_entries([A], "append")

    def two_changes(editor: Editor) -> None:
        editor.archive("a", ["*"])
        editor.archive("nobody", ["*"])

    with pytest.raises(NotFound), store.edit("ann") as editor:
        two_changes(editor)
    assert store.get("a").state == "live"
    assert len(store.versions("a")) == 1


def test_versions_are_forgotten_after_the_days_of_the_setting(url: str) -> None:
    store = Store.open(url, history_days=1)
    store.import_entries([A], "append")
    change(store, edited(A, answer="second"))
    assert len(store.versions("a")) == 2
    with store.database.write() as connection:
        connection.exec_driver_sql("UPDATE entry_versions SET replaced_at = '2020-01-01 00:00:00+00'")
    assert len(store.versions("a")) == 1
    store.forget_old_versions()
    store.close()
    always = Store.open(url)
    assert [version.version for version in always.versions("a")] == [2]
    always.close()


@pytest.mark.parametrize(
    ("fields", "answers"),
    [
        ({}, True),
        ({"state": "draft"}, False),
        ({"state": "archived"}, False),
        ({"valid_from": PAST}, True),
        ({"valid_from": FUTURE}, False),
        ({"valid_until": FUTURE}, True),
        ({"valid_until": PAST}, False),
        ({"valid_from": PAST, "valid_until": FUTURE}, True),
    ],
)
def test_only_live_and_valid_entries_are_published(store: Store, fields: dict[str, str], answers: bool) -> None:
    entry, other = edited(A, **fields), Entry(id="b", answer="x")
    store.import_entries([entry, other], "append")
    published = [entry, other] if answers else [other]
    assert list(store.published()) == published
    assert store.revision() == knowledge_revision(published)
    assert list(store.entries()) == [entry, other]
    assert store.counts(None).published == len(published)


def test_counts_tell_what_changed_since(store: Store) -> None:
    store.import_entries([A, Entry(id="b", answer="x"), Entry(id="c", answer="x", state="draft")], "append")
    since = utc_now()
    assert store.counts(since).changed == 0
    change(store, edited(A, answer="other"))
    store.import_entries([A, Entry(id="c", answer="x", state="draft")], "replace")
    counts = store.counts(since)
    assert (counts.states, counts.published, counts.changed) == ({"live": 1, "draft": 1}, 1, 2)
