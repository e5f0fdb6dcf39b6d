"""Publishing from the console. It changes what the service answers, so it runs after the journeys of other files."""

import pytest

from tests.browser.conftest import Visits
from tests.browser.console import told, visit
from tests.browser.people import View, findings, scrolls_sideways
from tests.faults.service import Service

pytestmark = pytest.mark.browser


def test_a_release_is_published_and_answers(signed_in: Visits, running: Service) -> None:
    person = signed_in(View())
    entry = {"id": "stamp", "question": "Do I need a stamp?", "answer": "No."}
    visit(person, "releases")
    before = running.client.get("/readyz").json()
    running.client.post("/v1/admin/entries", json=entry).raise_for_status()
    person.page.get_by_role("button", name="Publish now").click()
    running.wait(lambda: running.client.get("/readyz").json() != before)
    person.open("?q=Do I need a stamp?")
    person.page.get_by_role("heading", name="Do I need a stamp?").wait_for()


def test_a_blocked_release_is_compared_activated_all_the_same_and_rolled_back(
    signed_in: Visits, running: Service
) -> None:
    """An entry loses its phrasings, so its golden question gets no answer."""
    client, golden = running.client, {"question": "When will I get my refund?", "faq_id": "refund"}
    question = client.post("/v1/admin/golden/questions", json=golden).raise_for_status().json()["id"]
    change = {"question": "Who keeps the turnip?", "alternatives": [], "answer": "The keeper."}
    client.patch("/v1/admin/entry", params={"id": "refund"}, json=change, headers={"If-Match": "*"}).raise_for_status()
    before = client.get("/readyz").json()["release"]
    person = signed_in(View(360, dark=True, keyboard=True))
    page = person.page
    visit(person, "releases")
    person.press(page.get_by_role("button", name="Publish now"))
    page.locator(".why", has_text="It answers 1 golden question wrong").wait_for(timeout=60_000)
    assert client.get("/readyz").json()["release"] == before
    assert findings(page) == []
    person.press(page.locator(".release", has_text="Blocked").get_by_role("link", name="Better and worse"))
    page.locator("tr", has_text=golden["question"]).locator(".badge.failed").wait_for()
    assert findings(page) == []
    assert not scrolls_sideways(page)
    visit(person, "releases")
    person.press(page.get_by_role("button", name="Activate anyway"))
    told(person, "answers now.")
    assert client.get("/readyz").json()["release"] != before
    person.press(page.get_by_role("button", name="Roll back to this"))
    told(person, f"{before} answers now.")
    assert client.get("/readyz").json()["release"] == before
    client.delete(f"/v1/admin/golden/questions/{question}").raise_for_status()
    first = {"id": "refund", "version": "1"}
    client.post("/v1/admin/entry/restore", params=first, headers={"If-Match": "*"}).raise_for_status()
