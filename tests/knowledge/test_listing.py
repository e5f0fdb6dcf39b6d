"""Lists of entries: sorted, filtered, page by page. On both databases."""

from datetime import timedelta

import pytest

from app.errors import InputError
from app.knowledge.entry import Entry
from app.knowledge.listing import SORTS, Selection, Sort
from app.knowledge.store import Store
from app.knowledge.tables import utc_now

ENTRIES = [
    Entry(id="c", answer="x", metadata={"lang": "de", "tags": ["Fee", "money"], "public": True, "year": 2024}),
    Entry(id="a", answer="y", metadata={"lang": "en", "public": 1, "ratio": 0.5, 'odd"%_key': "50%"}),
    Entry(id="b", answer="z", state="draft"),
    Entry(id="d", answer="z", state="archived", metadata={"lang": "de-AT"}),
]


@pytest.fixture
def filled(store: Store) -> Store:
    for entry in ENTRIES:  # each at a time of its own
        store.import_entries([entry], "append")
    with store.edit("ann") as editor:
        editor.change("c", lambda entry: entry.model_copy(update={"answer": "new"}), ["*"])
    return store


def ids(store: Store, selection: Selection) -> list[str]:
    """The ids of all pages of two."""
    listed: list[str] = []
    after = None
    while True:
        page = store.page(2, after, selection=selection)
        listed += [entry.id for entry in page.entries]
        after = page.next_after
        if after is None:
            assert page.total == len(listed)
            return listed


@pytest.mark.parametrize(
    ("sort", "listed"),
    [("position", "cabd"), ("id", "abcd"), ("created", "cabd"), ("updated", "abdc")],
)
def test_every_order_is_listed_page_by_page_in_both_directions(filled: Store, sort: Sort, listed: str) -> None:
    assert ids(filled, Selection(sort=sort)) == list(listed)
    backwards: Sort = f"-{sort}"  # type: ignore[assignment]
    assert ids(filled, Selection(sort=backwards)) == list(reversed(listed))


@pytest.mark.parametrize(
    ("metadata", "listed"),
    [
        ([("lang", "de")], "c"),
        ([("lang", "DE")], "c"),
        ([("tags", "fee")], "c"),
        ([("tags", "money"), ("lang", "de")], "c"),
        ([("tags", "money"), ("lang", "en")], ""),
        ([("public", "true")], "c"),
        ([("public", "1")], "a"),
        ([("year", "2024")], "c"),
        ([("ratio", "0.5")], "a"),
        ([('odd"%_key', "50%")], "a"),
        ([('odd"%_key', "50_")], ""),
        ([("lang", "\0")], ""),
        ([("lang", "d")], ""),
    ],
)
def test_metadata_is_filtered_alike_on_every_database(
    filled: Store, metadata: list[tuple[str, str]], listed: str
) -> None:
    assert ids(filled, Selection(metadata=metadata)) == list(listed)


def test_states_and_age_are_filtered(filled: Store) -> None:
    assert ids(filled, Selection(states=["draft", "archived"])) == ["b", "d"]
    changed = filled.stored("c").updated_at
    assert ids(filled, Selection(updated_from=changed)) == ["c"]
    assert ids(filled, Selection(updated_before=changed)) == ["a", "b", "d"]
    assert ids(filled, Selection(updated_before=utc_now() - timedelta(days=1))) == []
    assert ids(filled, Selection(search="z", states=["draft"])) == ["b"]


@pytest.mark.parametrize("sort", SORTS)
def test_a_cursor_of_another_order_is_refused(filled: Store, sort: Sort) -> None:
    cursor = filled.page(1, selection=Selection(sort=sort)).next_after
    assert cursor is not None
    for other in SORTS:
        if other != sort and {sort, other} != {"position", "-position"}:
            with pytest.raises(InputError, match="`after` is not a cursor of this order"):
                filled.page(1, cursor, selection=Selection(sort=other))
