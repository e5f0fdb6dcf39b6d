"""Publishing from the console. It changes what the service answers, so it runs after the journeys of other files."""

import pytest

from tests.browser.conftest import Visits
from tests.browser.console import visit
from tests.browser.people import View
from tests.faults.service import Service

pytestmark = pytest.mark.browser


def test_a_release_is_published_and_answers(signed_in: Visits, running: Service) -> None:
    person = signed_in(View())
    entry = {"id": "stamp", "question": "Do I need a stamp?", "answer": "No."}
    visit(person, "releases")
    before = running.client.get("/readyz").json()
    running.client.post("/v1/admin/entries", json=entry).raise_for_status()
    person.page.get_by_role("button", name="Publish now").click()
    running.wait(lambda: running.client.get("/readyz").json() != before, 90)
    person.open("?q=Do I need a stamp?")
    person.page.get_by_role("heading", name="Do I need a stamp?").wait_for()
