"""One entry: saving, mistakes, two editors at once, history, and text that tries to be markup."""

import html
import json
import re
from collections.abc import Callable
from typing import Any
from urllib.parse import quote

from markupsafe import escape

from app.keys import KeyScope
from app.knowledge.entry import Entry, MetadataValue
from app.knowledge.store import Store
from app.settings import Settings
from tests.console.conftest import Person
from tests.console.test_entries import add, steps, stored

EVIL = "\"><script>alert(1)</script><img src=x onerror=alert(1)> {{7*7}} 'x"
PAGES_OF_EVIL = [
    address.format(evil=quote(EVIL, safe=""))
    for address in (
        "entries?search=alert",
        "entries?search={evil}&field={evil}",
        "entry?id={evil}",
        "history?id={evil}",
        "new?question={evil}",
        "try?question={evil}",
        "entry-options?follow_ups=alert",
        "releases",
        "login?next={evil}",
    )
]
UNSAFE = re.compile(r"<script>|<img src=x|onerror=alert\(1\)>")


def etag(page: str) -> str:
    match = re.search(r'name="etag" value="([^"]+)"', page)
    assert match is not None
    return html.unescape(match[1])


def test_an_entry_is_written_changed_and_undone(person: Person, keyed: Settings) -> None:
    address = person.send(
        "entry",
        id="made",
        question="What is made?",
        answer="This.",
        state="draft",
        alternatives=["Who made it?", "", "Who made it?"],
        negatives=["What is unmade?"],
        follow_ups=["refund"],
        metadata_key=["lang", "year", "tags", ""],
        metadata_value=["en", "2024", "a\r\nb", ""],
        valid_from="2026-01-02T03:04",
        valid_until="",
    )
    assert address == "entry?id=made"
    entry = stored(keyed, "made")
    assert entry.alternatives == ("Who made it?",)
    assert entry.metadata == {"lang": "en", "year": 2024, "tags": ["a", "b"]}
    assert (entry.state, entry.valid_from, entry.follow_ups) == ("draft", "2026-01-02T03:04:00Z", ("refund",))
    page = person.see("entry?id=made")
    assert "When will I get my refund?" in page
    fields: dict[str, Any] = {"id": "made", "question": "What is made?", "answer": "Another thing.", "state": "live"}
    person.send("entry", etag=etag(page), **fields)
    saved = person.see("entry?id=made")
    assert "Saved." in saved
    assert stored(keyed, "made").answer == "Another thing."
    person.send("undo", step=steps(saved), back="entry?id=made")
    assert stored(keyed, "made") == entry


def test_metadata_keeps_its_types(person: Person, keyed: Settings) -> None:
    metadata: dict[str, MetadataValue] = {
        "year": 2024,
        "ratio": 0.5,
        "public": True,
        "code": "007",
        "tags": ["one"],
        "text": "true",
    }
    add(keyed, Entry(id="typed", question="Typed?", answer="Yes.", metadata=metadata))
    page = person.see("entry?id=typed")
    keys = re.findall(r'name="metadata_key" value="([^"]*)"', page)
    values = re.findall(r'<textarea name="metadata_value"[^>]*>([^<]*)<', page)
    fields: dict[str, Any] = {"metadata_key": keys, "metadata_value": values}
    person.send("entry", etag=etag(page), id="typed", question="Typed?", answer="No.", state="live", **fields)
    assert stored(keyed, "typed").metadata == metadata


def test_a_mistake_is_shown_at_its_field_and_nothing_typed_is_lost(person: Person) -> None:
    page = person.send(
        "entry", 422, id="bad", question="Kept?", answer=" ", alternatives=["Kept too?"], valid_until="soon"
    )
    assert "The entry is not saved. 2 fields" in page
    assert 'id="answer-problem"' in page
    assert "“Answer” is empty." in page
    assert 'id="valid_until-problem"' in page
    assert "Kept?" in page
    assert "Kept too?" in page


def test_an_id_that_is_taken_is_told(person: Person) -> None:
    page = person.send("entry", 409, id="refund", question="Other?", answer="Other.")
    assert 'id="id-problem"' in page


def test_two_editors_see_both_texts_and_no_change_is_lost(person: Person, keyed: Settings) -> None:
    add(keyed, Entry(id="shared", question="Shared?", answer="First.", alternatives=("One?",)))
    page = person.see("entry?id=shared")
    mine: dict[str, Any] = {
        "id": "shared",
        "question": "Shared by me?",
        "answer": "Mine.",
        "state": "live",
        "alternatives": ["One?"],
    }
    add(keyed, Entry(id="shared", question="Shared?", answer="Theirs.", alternatives=("One?", "Two?")))
    clash = person.send("entry", 412, etag=etag(page), **mine)
    assert "Somebody else saved this entry" in clash
    assert stored(keyed, "shared").answer == "Theirs."
    assert set(re.findall(r'name="take" value="([^"]+)"', clash)) == {"question", "answer", "alternatives"}
    taken = person.send("entry", 200, etag=etag(clash), take="answer", **mine)
    assert set(re.findall(r'name="take" value="([^"]+)"', taken)) == {"question", "alternatives"}
    assert stored(keyed, "shared").answer == "Theirs."
    assert 'name="take" value="answer"' in person.send("entry", 200, etag=etag(clash), take="no-field", **mine)
    assert 'name="take" value="answer"' in person.send("entry", 200, etag=etag(clash), take="of_entry", **mine)
    theirs = {**mine, "question": "Shared?", "answer": "Theirs.", "alternatives": ["One?", "Two?"]}
    assert "are the same now" in person.send("entry", 200, etag=etag(taken), take="answer", **theirs)
    person.send("entry", etag=etag(taken), **{**mine, "answer": "Theirs."})
    entry = stored(keyed, "shared")
    assert (entry.question, entry.answer, entry.alternatives) == ("Shared by me?", "Theirs.", ("One?",))


def test_history_shows_words_and_restores_a_version(person: Person, keyed: Settings) -> None:
    for answer in ("It costs four euros.", "It costs five euros."):
        add(keyed, Entry(id="priced", question="How much is it?", answer=answer))
    history = person.see("history?id=priced", part=True)
    assert "<del>four</del>" in history
    assert "<ins>five</ins>" in history
    person.send("restore", id="priced", version="1", etag=etag(history))
    assert stored(keyed, "priced").answer == "It costs four euros."
    assert "The earlier version is restored" in person.see("entry?id=priced")


def test_an_entry_that_an_import_removed_can_be_added_again(person: Person, keyed: Settings) -> None:
    store = Store.open(keyed.sqlalchemy_url)
    present = list(store.entries())
    store.import_entries([*present, Entry(id="gone", question="Gone?", answer="Yes.")], "replace")
    store.import_entries(present, "replace")
    assert "This entry was removed" in person.see("entry?id=gone")
    person.send("restore", id="gone", version="1", etag="")
    assert store.get("gone").answer == "Yes."
    store.close()


def test_an_entry_that_never_was_is_not_found(person: Person) -> None:
    assert "There is no entry" in person.see("entry?id=never", 404)


def test_the_preview_is_safe_html(person: Person) -> None:
    shown = person.send("preview", 200, part=True, answer=f"**Bold** {EVIL}")
    assert "<strong>Bold</strong>" in shown
    assert not UNSAFE.search(shown)


def test_follow_ups_are_found_by_their_words(person: Person) -> None:
    assert '<option value="refund">' in person.see("entry-options?follow_ups=refund", part=True)


def test_no_text_becomes_markup_on_any_page(person: Person, keyed: Settings) -> None:
    evil = Entry(
        id=EVIL,
        question=EVIL,
        answer=EVIL,
        alternatives=(f"{EVIL} 2",),
        negatives=(f"{EVIL} 3",),
        metadata={"tags": [EVIL], f"key {EVIL}": EVIL},
        follow_ups=(EVIL,),
    )
    add(keyed, evil)
    store = Store.open(keyed.sqlalchemy_url)
    store.import_entries([evil.model_copy(update={"answer": f"changed {EVIL}"})], "append", by=EVIL[:60])
    for page in PAGES_OF_EVIL:
        text = person.see(page)
        assert not UNSAFE.search(text), page
    listed = person.see("entries?search=alert")
    assert str(escape(EVIL)) in listed
    boxes = [html.unescape(value) for value in re.findall(r'name="chosen" value="([^"]+)"', listed)]
    changed = person.send("entries-bulk", 200, act="tag", tag=EVIL, chosen=boxes, search="alert")
    assert not UNSAFE.search(changed)
    sent: list[dict[str, Any]] = [{"answer": " "}, {"answer": EVIL, "etag": '"1-old"'}]
    for fields in sent:
        text = person.send(
            "entry", 422 if fields["answer"] == " " else 412, id=EVIL, question=EVIL, state="live", **fields
        )
        assert not UNSAFE.search(text)
    with store.edit(None) as editor:
        editor.purge(EVIL, ["*"])
    store.close()


def test_only_those_who_may_edit_reach_the_editor(person_with: Callable[[KeyScope], Person]) -> None:
    person = person_with("publish")
    for address in ("entry?id=refund", "new", "history?id=refund"):
        assert "lacks the scope" in person.see(address, 403)
    assert "lacks the scope" in person.send("entry", 403, id="x", question="x", answer="x")


def test_a_flash_with_a_forged_cookie_is_not_shown(person: Person) -> None:
    person.client.cookies.set("faqtual_flash", json.dumps({"kind": "done", "text": "forged"}))
    assert "forged" not in person.see("entries")
