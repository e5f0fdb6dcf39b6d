"""Golden questions in the console: the list, its form, files, runs, and releases that they block."""

import html
import re
from typing import Any

from markupsafe import escape

from app.encoding.bundle import Bundle
from app.golden.judging import Judged, Missed
from app.golden.questions import GoldenStore, NewQuestion
from app.golden.runs import Runs
from app.knowledge.entry import Entry
from app.knowledge.store import Store
from app.settings import Settings
from tests.conftest import publish_home
from tests.console.conftest import Person
from tests.console.test_editor import EVIL, UNSAFE
from tests.console.test_entries import add


def fields_of_undo(page: str) -> dict[str, Any]:
    form = page.partition('<form action="golden-save"')[2].partition("</form>")[0]
    return {name: html.unescape(value) for name, value in re.findall(r'name="([^"]+)" value="([^"]*)"', form)}


def test_a_golden_question_is_added_changed_deleted_and_brought_back(person: Person) -> None:
    assert "No golden questions yet" in person.see("golden")
    person.send("golden-save", question="When is my money back?", faq_id="refund", note="Frequent")
    page = person.see("golden")
    assert "When will I get my refund?" in page
    golden_id = re.findall(r'name="golden_id" value="(\d+)"', page)[0]
    assert 'value="When is my money back?"' in person.see(f"golden?edit={golden_id}")
    person.send("golden-save", golden_id=golden_id, question="When is it back?", faq_id="")
    assert "When is it back?" in person.see("golden?search=BACK", part=True)
    person.send("golden-delete", golden_id=golden_id)
    deleted = person.see("golden")
    assert "No golden questions yet" in deleted
    person.send("golden-save", **{**fields_of_undo(deleted), "csrf": person.token})
    assert "When is it back?" in person.see("golden")


def test_a_golden_question_of_an_unknown_entry_is_told_and_kept_in_the_form(person: Person) -> None:
    page = person.send("golden-save", 422, question="Of what?", faq_id="nowhere")
    assert "There is no entry `nowhere`" in page
    assert 'value="Of what?"' in page
    assert "empty" in person.send("golden-save", 422, question=" ")


def test_files_are_imported_and_exported(person: Person) -> None:
    data = {"csrf": person.token}
    good = b'{"question": "From a file?", "faq_id": "refund"}\n'
    sent = person.client.post("/console/golden-import", data=data, files={"file": ("g.jsonl", good)})
    assert "1 golden question added" in sent.text
    assert "From a file?" in person.client.get("/console/golden-export").text
    for name, content in (("g.jsonl", b"{}\n"), ("g.txt", good), ("g.csv", b"")):
        bad = person.client.post("/console/golden-import", data=data, files={"file": (name, content)})
        assert bad.status_code == 422
        assert 'class="flash error"' in bad.text


def test_a_blocked_release_says_why_and_is_activated_anyway(person: Person, keyed: Settings, bundle: Bundle) -> None:
    live = person.client.get("/readyz").json()["release"]
    add(keyed, Entry(id="later", question="What is later?", answer="This."))
    blocked = publish_home(keyed, bundle)
    person.send("activate", release=live)
    store = Store.open(keyed.sqlalchemy_url)
    missed = Missed(EVIL, "refund", "refund", "delivery", "answered", 0.9, "")
    Runs(store.database).record(blocked, live, Judged(1, 1, 0, [missed], [], 0, [missed]), "blocked", 5)
    store.close()
    for address in ("golden", "releases"):
        page = person.see(address)
        assert "Blocked" in page
        assert str(escape(EVIL)) in page
        assert not UNSAFE.search(page)
    assert "Activate anyway" in person.see("releases")
    assert "1 golden question" in person.send("activate", 409, release=blocked)
    person.send("activate", release=blocked, override="1")
    assert person.client.get("/readyz").json()["release"] == blocked
    assert "Overridden" in person.see("golden")
    person.send("activate", release=live)


def test_two_releases_are_compared_on_the_golden_questions(person: Person, keyed: Settings) -> None:
    store = Store.open(keyed.sqlalchemy_url)
    golden = GoldenStore(store.database)
    if not golden.all():
        golden.add(NewQuestion("When will I get my refund?", "refund"))
    store.close()
    live = person.client.get("/readyz").json()["release"]
    page = person.see(f"compare?release={live}")
    assert "Every golden question gets the same." in page
    person.see("compare?release=faq-000000000000-000000000000", 404)
