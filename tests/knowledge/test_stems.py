"""Search in lists by the words of the ranking: stems, identifiers, the beginning of the last word. Both databases."""

from collections.abc import Iterator

import pytest

from app.errors import SettingsError
from app.knowledge.entry import Entry
from app.knowledge.store import Store

ENTRIES = [
    Entry(id="refund", question="When are my returns refunded?", answer="Within five days."),
    Entry(id="ship", question="Do you ship pets?", alternatives=("shipping wolves",), answer="We deliver them."),
    Entry(id="code", question="What does L-2010 mean?", answer="The cover is open; see device KX 4101 too."),
    Entry(id="umlaut", question="Grüße aus Köln", answer="100% _safe_."),
]


@pytest.fixture
def filled(url: str) -> Iterator[Store]:
    """A store of English stems, with the entries."""
    store = Store.open(url, language="en")
    store.import_entries(ENTRIES, "append")
    yield store
    store.close()


def found(store: Store, search: str) -> list[str]:
    page = store.page(search=search)
    assert page.total == len(page.entries)
    return [entry.id for entry in page.entries]


def test_words_are_found_in_any_form_order_and_case(filled: Store) -> None:
    assert found(filled, "refund return") == ["refund"]
    assert found(filled, "the refunds of my RETURNING items") == []
    assert found(filled, "my refunds and the returned") == ["refund"]
    assert found(filled, "ships wolf") == []
    assert found(filled, "pet shipped") == ["ship"]
    assert found(filled, "delivered pets ") == ["ship"]


def test_the_last_word_is_found_by_its_begin_and_a_text_as_it_stands(filled: Store) -> None:
    assert found(filled, "refunded ret") == ["refund"]
    assert found(filled, "refunded ret ") == []
    assert found(filled, "thin fiv") == ["refund"]
    assert found(filled, "grüsse aus kö") == ["umlaut"]
    assert found(filled, "100% _s") == ["umlaut"]
    assert found(filled, "when ar") == ["refund"]


def test_identifiers_are_found_however_they_are_written(filled: Store) -> None:
    for search in ("L-2010", "l2010", "mean l2010", "kx4101", "KX 4101", "kx-4101 "):
        assert found(filled, search) == ["code"], search
    assert found(filled, "L-2012") == []


def test_stop_words_and_marks_alone_are_compared_as_text(filled: Store) -> None:
    assert found(filled, "the") == ["ship", "code"]
    assert found(filled, "?") == ["refund", "ship", "code"]
    assert found(filled, " ".join(["refund"] * 400)) == ["refund"]


def test_a_changed_entry_is_found_by_its_new_words(filled: Store) -> None:
    with filled.edit("ann") as editor:
        editor.change("ship", lambda entry: entry.model_copy(update={"alternatives": ("sending turnips",)}), ["*"])
    assert found(filled, "send turnip") == ["ship"]
    assert found(filled, "shipping wolves") == []


def test_another_language_is_written_when_the_service_starts(filled: Store, url: str) -> None:
    german = Store.open(url, language="german")
    try:
        assert found(german, "refund return") == []
        german.refresh_stems()
        assert found(german, "grüßen köln") == ["umlaut"]
    finally:
        german.close()


def test_a_store_without_a_language_compares_texts(url: str) -> None:
    store = Store.open(url)
    try:
        store.import_entries(ENTRIES, "append")
        assert (found(store, "returns REFUND"), found(store, "refund return"), store.language) == (["refund"], [], None)
    finally:
        store.close()


def test_an_unknown_language_is_named(url: str) -> None:
    with pytest.raises(SettingsError, match="FAQ_LANGUAGE=klingon"):
        Store.open(url, language="klingon")
