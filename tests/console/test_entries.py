"""The list of entries: search, filters, cursors, and changes of many at once."""

import html
import re

from app.knowledge.entry import Entry
from app.knowledge.store import Store
from app.settings import Settings
from tests.conftest import ADMIN_KEY
from tests.console.conftest import Person, browser


def add(settings: Settings, *entries: Entry) -> None:
    store = Store.open(settings.sqlalchemy_url)
    store.import_entries(entries, "append")
    store.close()


def stored(settings: Settings, entry_id: str) -> Entry:
    store = Store.open(settings.sqlalchemy_url)
    try:
        return store.get(entry_id)
    finally:
        store.close()


def boxes_of(page: str) -> list[str]:
    return [html.unescape(value) for value in re.findall(r'name="chosen" value="([^"]+)"', page)]


def chosen(page: str, *ids: str) -> list[str]:
    """The values of the boxes of these entries."""
    return [value for value in boxes_of(page) if value.partition(" ")[2] in ids]


def steps(page: str) -> list[str]:
    return [html.unescape(value) for value in re.findall(r'name="step" value="([^"]+)"', page)]


def test_the_list_shows_what_matches_and_htmx_gets_only_the_list(person: Person) -> None:
    page = person.see("entries?search=PASSWORD")
    assert "How do I reset my password?" in page
    assert "delivery fee" not in page
    part = person.see("entries?search=PASSWORD", part=True)
    assert "<html" not in part
    assert "How do I reset my password?" in part


def test_the_address_of_a_filtered_list_is_short(person: Person) -> None:
    address = "/console/entries?search=fee&view=current&field=&sort=-updated"
    response = person.client.get(address, headers={"HX-Request": "true"})
    assert response.headers["HX-Replace-Url"] == "entries?search=fee"


def test_a_list_without_a_match_says_what_to_do(person: Person) -> None:
    page = person.see("entries?search=nothing+like+it")
    assert "No entry matches" in page
    assert "Clear filters" in page


def test_a_filter_takes_a_tag_or_a_key_with_its_value(person: Person) -> None:
    for field in ("money", "category%3Ddelivery"):
        page = person.see(f"entries?field={field}")
        assert "delivery fee" in page
        assert "password" not in page


def test_pages_follow_each_other_by_a_cursor_without_gaps_or_repeats(person: Person, keyed: Settings) -> None:
    add(keyed, *(Entry(id=f"many-{number:03}", question=f"Many {number}?", answer="Yes.") for number in range(120)))
    seen: list[str] = []
    part = person.see("entries?search=many-&sort=id", part=True)
    while True:
        seen += [value.partition(" ")[2] for value in boxes_of(part)]
        following = re.search(r'hx-get="([^"]+after=[^"]+)"', part)
        if following is None:
            break
        part = person.see(html.unescape(following[1]), part=True)
    assert seen == [f"many-{number:03}" for number in range(120)]
    assert "120 entries" in person.see("entries?search=many-")


def test_entries_are_archived_together_and_one_click_brings_them_back(person: Person, keyed: Settings) -> None:
    add(keyed, *(Entry(id=f"bulk-{number}", question=f"Bulk {number}?", answer="Yes.") for number in range(3)))
    page = person.see("entries?search=bulk-")
    boxes = chosen(page, "bulk-0", "bulk-1")
    after = person.send("entries-bulk", 200, part=True, search="bulk-", act="archive", chosen=boxes)
    assert "2 entries archived" in after
    assert boxes_of(after) == chosen(after, "bulk-2")
    assert stored(keyed, "bulk-0").state == "archived"
    assert person.send("undo", step=steps(after), back="entries?search=bulk-") == "entries?search=bulk-"
    assert {stored(keyed, f"bulk-{number}").state for number in range(3)} == {"live"}
    assert "Undone" in person.see("entries?search=bulk-")


def test_tags_are_added_and_removed(person: Person, keyed: Settings) -> None:
    add(keyed, Entry(id="tagged", question="Tagged?", answer="Yes.", metadata={"tags": ["old"], "year": 2024}))
    for act, tags in (("tag", ["old", "new"]), ("untag", ["old"])):
        boxes = chosen(person.see("entries?search=tagged"), "tagged")
        person.send("entries-bulk", 200, act=act, tag="new", chosen=boxes)
        assert stored(keyed, "tagged").metadata == {"tags": tags, "year": 2024}


def test_a_choice_survives_a_change_by_somebody_else(person: Person, keyed: Settings) -> None:
    first, second = (Entry(id=name, question=f"{name}?", answer="Yes.") for name in ("raced-a", "raced-b"))
    add(keyed, first, second)
    boxes = chosen(person.see("entries?search=raced"), "raced-a", "raced-b")
    add(keyed, second.model_copy(update={"answer": "No."}))
    page = person.send("entries-bulk", 409, part=True, search="raced", act="archive", chosen=boxes)
    assert "others changed “raced-b”" in page
    assert page.count(" checked ") == 2
    assert stored(keyed, "raced-a").state == "live"
    retried = chosen(page, "raced-a", "raced-b")
    assert "2 entries archived" in person.send("entries-bulk", 200, part=True, act="archive", chosen=retried)


def test_a_choice_of_nothing_or_without_a_tag_is_told(person: Person) -> None:
    assert "Choose at least one entry" in person.send("entries-bulk", 422, act="archive")
    boxes = chosen(person.see("entries?search=refund"), "refund")
    page = person.send("entries-bulk", 422, act="tag", tag=" ", search="refund", chosen=boxes)
    assert "Write the tag" in page
    assert " checked " in page


def test_undo_leads_nowhere_else(person: Person) -> None:
    assert person.send("undo", back="https://example.org/") == "entries"


def test_an_empty_console_teaches_the_first_step(settings: Settings) -> None:
    with browser(settings) as client:
        person = Person(client).sign_in(ADMIN_KEY)
        for place in ("today", "entries"):
            assert 'href="import"' in person.see(place).partition("</header>")[2]
        assert "Nothing is published yet" in person.see("try")
        assert "Import a FAQ first" in person.see("releases")
