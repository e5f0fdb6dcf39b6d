"""The ask page tells its reader that a fine-tuned model went live."""

import json
from collections.abc import Sequence
from itertools import chain, repeat

import pytest
from playwright.sync_api import Route

from tests.browser.conftest import Visits
from tests.browser.people import Person, View, findings, scrolls_sideways

pytestmark = pytest.mark.browser

BASE = {"release": "faq-a-1", "model": "a", "fine_tuned": False, "gain": None}
EDITED = {**BASE, "release": "faq-a-2"}
TUNED = {"release": "faq-b-2", "model": "b", "fine_tuned": True, "gain": {"before": 0.82, "after": 0.91}}
LIVE = "Fine-tuned release is live: .82 -> .91 of held-out questions"


def watching(person: Person, replies: Sequence[dict[str, object]]) -> list[str]:
    """Open the page on a clock of the test; the last reply repeats. Returns the requests, as they come."""
    requests: list[str] = []
    following = chain(replies, repeat(replies[-1]))

    def reply(route: Route) -> None:
        requests.append(route.request.url)
        route.fulfill(status=200, content_type="application/json", body=json.dumps(next(following)))

    person.page.route("**/v1/release", reply)
    person.page.clock.install()
    with person.page.expect_response("**/v1/release"):
        person.open("")
    return requests


def pass_time(person: Person, seconds: int) -> None:
    person.page.clock.run_for(seconds * 1000)


def hide(person: Person, hidden: bool) -> None:
    script = "on => { Object.defineProperty(document, 'hidden', {value: on, configurable: true}); \
document.dispatchEvent(new Event('visibilitychange')); }"
    person.page.evaluate(script, hidden)


@pytest.mark.parametrize("view", [View(360, dark=True, keyboard=True), View(1440)], ids=str)
def test_a_fine_tuned_release_is_told_once_and_dismissed(visit: Visits, view: View) -> None:
    person = visit(view)
    requests = watching(person, [BASE, EDITED, TUNED])
    news = person.page.locator("#news")
    assert news.get_attribute("role") == "status"
    with person.page.expect_response("**/v1/release"):
        pass_time(person, 20)
    assert news.inner_text() == ""  # an edit is no news
    with person.page.expect_response("**/v1/release"):
        pass_time(person, 20)
    person.sees(LIVE)
    assert findings(person.page) == []
    assert not scrolls_sideways(person.page)
    person.press(news.get_by_role("button", name="Dismiss"))
    assert news.inner_text() == ""
    pass_time(person, 120)
    assert len(requests) == 3


def test_a_tab_that_nobody_sees_asks_nothing(visit: Visits) -> None:
    person = visit(View())
    requests = watching(person, [BASE])
    hide(person, True)
    pass_time(person, 120)
    assert len(requests) == 1
    with person.page.expect_response("**/v1/release"):
        hide(person, False)
        pass_time(person, 1)
    assert len(requests) == 2


def test_the_service_says_that_its_model_is_fine_tuned_and_is_asked_once(visit: Visits) -> None:
    person = visit(View())
    person.page.clock.install()
    requests: list[str] = []
    person.page.on("request", lambda request: requests.append(request.url) if "v1/release" in request.url else None)
    with person.page.expect_response("**/v1/release") as response:
        person.open("")
    assert response.value.json()["fine_tuned"] is True
    pass_time(person, 120)
    assert len(requests) == 1
