"""Markup and scripts in every text that a user, an editor or a file can store: every page shows them as texts."""

import json
from pathlib import Path
from urllib.parse import quote

import pytest

from tests.browser.asking import ask
from tests.browser.conftest import Visits
from tests.browser.console import PAGES, visit
from tests.browser.faq import ATTACK, HOSTILE, MARKER
from tests.browser.hosting import Host
from tests.browser.people import Person, View
from tests.faults.service import Service

pytestmark = pytest.mark.browser

FILE = f"<img src=x onerror=window.{MARKER}=1>.jsonl"
TYPED = quote(ATTACK)
HELD = (
    "entry?id=hostile",
    "entries?search=wolf",
    "try?question=wolf",
    *(
        f"{page}{TYPED}"
        for page in ("entries?search=", "entries?field=", "try?question=", "golden?search=", "new?question=")
    ),
)


def unharmed(person: Person) -> None:
    """No script of a text ran, and none of its elements is in the page, nor in a shadow tree."""
    page = person.page
    assert page.evaluate(f"window.{MARKER}") is None
    for selector in ("[onerror]", "[onload]", "img[src=x]", "a[href^='javascript:' i]", "main script"):
        assert page.locator(selector).count() == 0, f"{page.url}: {selector}"


@pytest.mark.parametrize("question", [HOSTILE.question, HOSTILE.alternatives[0], ATTACK, "free delivery"])
def test_the_ask_page_shows_texts_as_texts(visit: Visits, question: str) -> None:
    person = visit(View())
    person.open("")
    ask(person, question)
    person.page.locator("#results h2").first.wait_for()
    for more in person.page.get_by_role("button", name="more").all():
        more.click()
    unharmed(person)


def test_suggestions_show_texts_as_texts(visit: Visits) -> None:
    person = visit(View())
    person.open("")
    person.page.get_by_role("combobox").press_sequentially("who sends")
    person.page.get_by_role("option", name="Who sends the wolf?").wait_for()
    unharmed(person)


def test_the_widget_shows_texts_as_texts(visit: Visits, host: Host, running: Service) -> None:
    host.service = running.url
    person = visit(View())
    person.page.goto(f"{host.url}/widget.html")
    widget = person.page.locator("faq-widget").first
    person.write(widget.get_by_label("Your question"), HOSTILE.question)
    person.page.keyboard.press("Enter")
    widget.get_by_text("Nobody.").wait_for()
    unharmed(person)


def test_the_console_shows_texts_as_texts(signed_in: Visits, running: Service) -> None:
    """Asked and logged, in feedback, in an entry and its history, and in a golden question with its note."""
    for _ in range(3):
        reply = running.client.post("/v1/ask", json={"question": ATTACK, "session": "s"}).json()
    opinion = {"request_id": reply["request_id"], "token": reply["feedback_token"], "question": ATTACK}
    running.client.post("/v1/feedback", json={**opinion, "helpful": False, "comment": ATTACK}).raise_for_status()
    change = {"answer": f"{HOSTILE.answer} Changed."}
    running.client.patch(
        "/v1/admin/entry", params={"id": "hostile"}, json=change, headers={"If-Match": "*"}
    ).raise_for_status()
    golden = {"question": ATTACK, "faq_id": "hostile", "note": ATTACK}
    running.client.post("/v1/admin/golden/questions", json=golden).raise_for_status()
    running.wait(lambda: MARKER in running.client.get("/v1/admin/questions?limit=50").text)
    person = signed_in(View())
    for page in sorted({*PAGES, *HELD}):
        visit(person, page)
        unharmed(person)


def test_the_editor_shows_what_was_typed_as_texts(signed_in: Visits) -> None:
    """In its preview and live effect, and in the form that comes back with problems."""
    person = signed_in(View(), expecting="422")
    page = person.page
    visit(person, "new")
    for field in ("Question", "Answer", "Id"):
        person.write(page.get_by_label(field, exact=True), ATTACK)
    for field in ("Add a phrasing", "Add a question", "Key", "Value", "Try other questions, one a line"):
        person.write(page.get_by_label(field, exact=True), ATTACK)
        page.keyboard.press("Enter")
    page.locator("#preview", has_text="window").or_(page.locator("#preview p")).first.wait_for()
    unharmed(person)
    person.write(page.get_by_label("Key", exact=True), f"answer {'x' * 200}")
    page.get_by_role("button", name="Create entry").click()
    page.locator(".problem, #flash .flash, .flash.error").first.wait_for()
    unharmed(person)


def test_a_file_is_named_as_text(signed_in: Visits, tmp_path: Path) -> None:
    path = tmp_path / FILE
    path.write_text(json.dumps({ATTACK.replace('"', ""): ATTACK, "question": ATTACK, "answer": ATTACK}) + "\n")
    person = signed_in(View())
    visit(person, "import")
    person.page.locator("input[type=file]").set_input_files(path)
    person.page.get_by_role("heading", name=f"What {FILE} would change").wait_for()
    unharmed(person)
    person.page.get_by_role("button", name="Import 1 change").click()
    person.page.get_by_role("heading", name=f"What {FILE} changed").wait_for()
    unharmed(person)
