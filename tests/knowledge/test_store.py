"""The store: modes of import, pages, the revision, and one consistent state for every reader."""

import base64
import signal
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import select, text

from app.errors import InputError, NotFound, StoreError
from app.knowledge.entry import Entry, knowledge_revision
from app.knowledge.files import read_entries
from app.knowledge.intake import Mode
from app.knowledge.listing import Page
from app.knowledge.store import Store
from app.knowledge.tables import EntryRow
from tests.knowledge.conftest import REPOSITORY
from tests.waiting import PATIENCE_S


def base64_of(text: str) -> str:
    """As a cursor would be written."""
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


A = Entry(
    id="a", question="Frage?", answer="Antwort", alternatives=("Groß?", 'say "hi"'), metadata={"n": 1.0, "l": ["x"]}
)
B = Entry(id="b", question="100% sure_ly?", answer="yes", negatives=("no",))
C = Entry(id="c", answer="passage é 日本 \U0001f600")
EDITED = A.model_copy(update={"answer": "other"})


def test_an_empty_store(store: Store) -> None:
    assert list(store.entries()) == []
    assert store.page() == Page([], 0, None)
    assert store.count() == 0
    assert store.revision() == knowledge_revision([])


def test_append_adds_updates_and_keeps_the_rest(store: Store) -> None:
    report = store.import_entries([A, B], "append")
    assert (report.added, report.updated, report.unchanged, report.removed, report.total) == (2, 0, 0, 0, 2)
    report = store.import_entries([C, EDITED], "append")
    assert (report.added, report.updated, report.unchanged, report.removed, report.total) == (1, 1, 0, 0, 3)
    assert list(store.entries()) == [EDITED, B, C]


def test_replace_removes_the_rest_and_takes_over_the_order(store: Store) -> None:
    store.import_entries([A, B], "append")
    report = store.import_entries([C, A], "replace")
    assert (report.added, report.updated, report.unchanged, report.removed, report.total) == (1, 0, 1, 1, 2)
    assert list(store.entries()) == [C, A]
    store.import_entries([B], "append")
    assert list(store.entries()) == [C, A, B]


@pytest.mark.parametrize("mode", ["append", "replace"])
def test_a_dry_run_tells_the_same_and_changes_nothing(store: Store, mode: Mode) -> None:
    store.import_entries([A, B], "append")
    told = store.import_entries([EDITED, C], mode, dry_run=True)
    assert list(store.entries()) == [A, B]
    assert store.import_entries([EDITED, C], mode) == told
    assert store.count() == told.total


def test_an_import_is_all_or_nothing(store: Store) -> None:
    store.import_entries([A], "append")
    many = [Entry(id=str(i), answer="x") for i in range(2_500)]
    with pytest.raises(InputError, match="Two entries of the import have the id `0`"):
        store.import_entries([*many, Entry(id="0", answer="y")], "replace")
    assert list(store.entries()) == [A]
    assert store.import_entries([*many, many[0]], "replace").total == 2_500
    assert list(store.entries()) == many


def test_times_of_creation_and_change(store: Store) -> None:
    times = select(EntryRow.created_at, EntryRow.updated_at).where(EntryRow.id == "a")
    store.import_entries([A], "append")
    with store.database.read() as connection:
        created, updated = connection.execute(times).one()
    assert created.tzinfo == UTC
    store.import_entries([A], "append")
    with store.database.read() as connection:
        assert connection.execute(times).one() == (created, updated)
    store.import_entries([EDITED], "append")
    with store.database.read() as connection:
        kept, later = connection.execute(times).one()
    assert kept == created
    assert later > updated


def test_one_entry(store: Store) -> None:
    store.import_entries([A, B], "append")
    assert store.get("a") == A
    store.delete("a")
    assert list(store.entries()) == [B]
    for missing in (store.get, store.delete):
        with pytest.raises(NotFound, match="There is no entry `a`"):
            missing("a")


def test_pages_cover_everything_once(store: Store) -> None:
    everything = [Entry(id=f"{i:02}", answer="x") for i in range(7)]
    store.import_entries(reversed(everything), "append")
    store.import_entries(everything, "replace")
    page = store.page(limit=3)
    seen = page.entries
    while page.next_after:
        page = store.page(limit=3, after=page.next_after)
        seen = seen + page.entries
    assert seen == everything
    assert page.total == 7


def test_a_cursor_survives_the_deletion_of_the_entry_that_ended_its_page(store: Store) -> None:
    store.import_entries([Entry(id=f"{i:02}", answer="x") for i in range(7)], "append")
    first = store.page(limit=3)
    for gone in ("02", "03"):
        store.delete(gone)
    second = store.page(limit=3, after=first.next_after)
    assert [entry.id for entry in second.entries] == ["04", "05", "06"]
    assert (second.total, second.next_after) == (5, None)


def test_a_cursor_holds_any_id(store: Store) -> None:
    ids = ["a/b c", "日本 \U0001f600", "..", '"quoted"', "é" * 200]
    store.import_entries([Entry(id=name, answer="x") for name in ids], "append")
    seen, after = [], None
    for _ in ids:
        page = store.page(limit=1, after=after)
        seen += [entry.id for entry in page.entries]
        after = page.next_after
    assert seen == ids
    assert after is None


NO_CURSORS = ["nowhere", "", "é", "W10", "WzEsMl0", "bnVsbA", "WyJ4IiwgImEiXQ", base64_of('[0, "\\ud800"]'), "W" * 2000]


@pytest.mark.parametrize("after", [*NO_CURSORS, base64_of(f'[{2**40}, "a"]'), base64_of('[0, "\\u0000"]')])
def test_what_is_no_cursor_is_refused(store: Store, after: str) -> None:
    with pytest.raises(InputError, match="Pass `next_after` of the page before") as refused:
        store.page(after=after)
    assert refused.value.field == "after"


@pytest.mark.parametrize(
    ("search", "expected"),
    [
        ("FRAGE", ["a"]),
        ("groß", ["a"]),
        ("yes", ["b"]),
        ("100%", ["b"]),
        ("%", ["b"]),
        ("_", ["b"]),
        ("日本", ["c"]),
        ("PASSAGE É", ["c"]),
        ("e\u0301", ["c"]),
        ("GROSS", ["a"]),
        ('SAY "HI"', ["a"]),
        ("groß?\x1fsay", []),
        ("\0", []),
        ("\ud800", []),
        ("c", ["c"]),
        ("nothing", []),
        ("", ["a", "b", "c"]),
        ("' OR 1=1 --", []),
    ],
)
def test_search(store: Store, search: str, expected: list[str]) -> None:
    store.import_entries([A, B, C], "append")
    page = store.page(search=search)
    assert [entry.id for entry in page.entries] == expected
    assert page.total == len(expected)


SCRIPTS = [
    ("ВОЗВРАТ товара", "возврат ТОВАРА"),
    ("ΕΠΙΣΤΡΟΦΉ ΧΡΗΜΆΤΩΝ ς", "επιστροφή χρημάτων Σ"),
    ("Ödeme İADESİ", "ÖDEME iadesi"),
    ("KAPI kapısı", "kapi KAPISI"),
    ("ՎԵՐԱԴԱՐՁ", "վերադարձ"),
    ("Zażółć GĘŚLĄ", "ZAŻÓŁĆ gęślą"),
    ("ÉTÉ", "e\u0301te\u0301"),
    ("ǅUNGLA", "ǆungla"),
    ("ａＢＣ", "Ａｂｃ"),
]


@pytest.mark.parametrize(("text", "search"), SCRIPTS)
def test_search_does_not_regard_case_in_any_script(store: Store, text: str, search: str) -> None:
    by_field = [
        Entry(id="0", question=text, answer="x"),
        Entry(id="1", answer=text),
        Entry(id="2", answer="x", alternatives=("other", text)),
        Entry(id=text, answer="x"),
    ]
    store.import_entries([*by_field, Entry(id="other", answer="other")], "append")
    assert [entry.id for entry in store.page(search=search).entries] == ["0", "1", "2", text]


def test_search_follows_an_edit(store: Store) -> None:
    store.import_entries([A, B], "append")
    store.import_entries([EDITED], "append")
    assert store.page(search="OTHER").total == 1
    assert store.page(search="antwort").total == 0


def test_the_total_of_a_search_counts_all_pages(store: Store) -> None:
    store.import_entries([Entry(id=f"{i:02}", answer="odd" if i % 2 else "even") for i in range(20)], "append")
    first = store.page(limit=3, search="ODD")
    second = store.page(limit=3, after=first.next_after, search="ODD")
    assert (first.total, second.total) == (10, 10)
    assert [entry.id for entry in second.entries] == ["07", "09", "11"]


def test_a_reader_sees_one_state_while_a_writer_works(store: Store) -> None:
    old = [Entry(id=str(i), answer="old") for i in range(3_000)]
    store.import_entries(old, "append")
    reader = store.entries()
    first = next(reader)
    store.import_entries([Entry(id="new", answer="new")], "replace")
    assert [first, *reader] == old
    assert store.count() == 1


@settings(deadline=None, max_examples=15, database=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(st.tuples(st.sampled_from("abcd"), st.sampled_from("xyz")), max_size=6),
    st.sampled_from(["append", "replace"]),
)
def test_the_revision_is_that_of_the_entries(store: Store, pairs: list[tuple[str, str]], mode: Mode) -> None:
    entries = [Entry(id=name, answer=answer) for name, answer in dict(pairs).items()]
    store.import_entries(entries, mode)
    assert store.revision() == knowledge_revision(store.entries())
    if mode == "replace":
        assert list(store.entries()) == entries


def test_a_damaged_entry_is_named(store: Store) -> None:
    store.import_entries([A], "append")
    with store.database.write() as connection:
        connection.execute(text("UPDATE entries SET answer = ''"))
    with pytest.raises(StoreError, match=r"The entry `a` in the database is damaged: .*`answer` is empty"):
        store.get("a")


KILLED = """
import os, signal, sys
from app.knowledge.entry import Entry
from app.knowledge.store import Store

def entries():
    for i in range(50_000):
        if i == 6_500:
            os.kill(os.getpid(), signal.SIGKILL)
        yield Entry(id=str(i), answer="new " * 200)

Store.open(sys.argv[1]).import_entries(entries(), "replace")
"""


def test_a_kill_in_the_middle_of_an_import_leaves_the_old_state(url: str, store: Store) -> None:
    store.import_entries([A, B], "append")
    done = subprocess.run([sys.executable, "-c", KILLED, url], cwd=REPOSITORY, timeout=PATIENCE_S, check=False)
    assert done.returncode == -signal.SIGKILL
    assert list(store.entries()) == [A, B]
    assert store.import_entries([C], "replace").removed == 2
    reopened = Store.open(url)
    assert list(reopened.entries()) == [C]
    reopened.close()


def test_the_shared_faq_comes_back_as_it_was(store: Store, shared: Path) -> None:
    entries = read_entries(shared / "cloud_faq_train.jsonl").entries
    assert store.import_entries(entries, "replace").added == 6_373
    assert list(store.entries()) == entries
    assert store.revision() == knowledge_revision(entries)
    assert store.import_entries(iter_twice(entries), "append").unchanged == 6_373


def iter_twice(entries: list[Entry]) -> Iterator[Entry]:
    yield from entries
    yield from entries
