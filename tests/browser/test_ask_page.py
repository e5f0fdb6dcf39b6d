"""The ask page in a real browser: every journey by mouse and by keyboard, on three screens, in light and dark."""

from collections.abc import Callable

import pytest
from playwright.sync_api import Route

from tests.browser.asking import ANSWERED, CHOICE, JOURNEYS, UNANSWERED, ask, field
from tests.browser.conftest import Visits
from tests.browser.people import VIEWS, Person, View, findings, scrolls_sideways

pytestmark = pytest.mark.browser


@pytest.mark.parametrize("journey", JOURNEYS, ids=lambda journey: journey.__name__)
@pytest.mark.parametrize("view", VIEWS, ids=str)
def test_a_journey(visit: Visits, view: View, journey: Callable[[Person], None]) -> None:
    person = visit(view)
    journey(person)
    assert not scrolls_sideways(person.page)


@pytest.mark.parametrize("question", ["", ANSWERED, CHOICE, UNANSWERED])
@pytest.mark.parametrize("view", [view for view in VIEWS if not view.keyboard], ids=str)
def test_axe_finds_nothing_serious(visit: Visits, view: View, question: str) -> None:
    person = visit(view)
    person.open(f"?q={question}")
    assert findings(person.page) == []


def test_axe_finds_nothing_serious_in_suggestions(visit: Visits) -> None:
    person = visit(View(keyboard=True))
    person.open("")
    person.write(field(person), "my")
    person.page.get_by_role("option").first.wait_for()
    person.page.keyboard.press("ArrowDown")
    assert findings(person.page) == []


def test_enter_asks_what_was_typed_unless_an_option_was_chosen(visit: Visits) -> None:
    person = visit(View(keyboard=True))
    person.open("")
    person.write(field(person), "password")
    person.page.get_by_role("option").first.wait_for()
    for key in ("ArrowUp", "ArrowDown", "Enter"):  # to the last option, and back to the field
        person.page.keyboard.press(key)
    person.page.wait_for_url("**/?q=password")


def test_escape_closes_the_suggestions_and_keeps_what_was_typed(visit: Visits) -> None:
    person = visit(View(keyboard=True))
    person.open("")
    person.write(field(person), "password")
    person.page.get_by_role("option").first.wait_for()
    person.page.keyboard.press("Escape")
    assert person.page.get_by_role("listbox").is_hidden()
    assert field(person).input_value() == "password"


def test_a_fast_typist_is_asked_nothing(visit: Visits) -> None:
    """The question is asked before a suggestion can be; none comes up afterwards."""
    person = visit(View(keyboard=True))
    asked: list[str] = []
    person.page.on("request", lambda request: asked.append(request.url) if "suggest" in request.url else None)
    person.open("")
    ask(person, ANSWERED)
    person.page.get_by_role("heading", name=ANSWERED).wait_for()
    person.page.wait_for_timeout(400)
    assert person.page.get_by_role("listbox").is_hidden()
    assert len(asked) <= 1


def test_a_request_for_suggestions_is_given_up_for_the_next_one(visit: Visits) -> None:
    person = visit(View(), expecting="net::ERR_FAILED")
    given_up: list[str] = []
    person.page.on("requestfailed", lambda request: given_up.append(request.url))
    person.page.route("**/v1/suggest**q=pass", lambda route: None)  # never answered
    person.open("")
    person.write(field(person), "pass")
    person.page.wait_for_timeout(300)
    person.page.keyboard.type("word")
    person.page.get_by_role("option").first.wait_for()
    assert [url for url in given_up if url.endswith("q=pass")]


def test_paper_shows_the_question_and_the_answer_and_no_control(visit: Visits) -> None:
    person = visit(View(dark=True))
    person.open(f"?q={ANSWERED}")
    person.page.get_by_role("heading", name=ANSWERED).wait_for()
    person.page.emulate_media(media="print", color_scheme="dark")
    assert [button for button in person.page.get_by_role("button").all() if button.is_visible()] == []
    assert field(person).is_visible()
    assert person.page.locator(".card").is_visible()
    assert person.page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"


def test_an_answer_is_copied_where_the_browser_lends_no_clipboard(visit: Visits) -> None:
    person = visit(View())
    person.page.add_init_script("Object.defineProperty(navigator, 'clipboard', {value: undefined})")
    person.page.add_init_script(
        "document.addEventListener('copy', () => { window.copied = getSelection().toString(); })"
    )
    person.open("?q=When will I get my refund?")
    person.page.get_by_role("button", name="Copy").click()
    person.page.get_by_role("button", name="Copied").wait_for()
    assert person.page.evaluate("document.activeElement.className") == "plain copy"


def test_a_new_release_is_told_in_one_line(visit: Visits) -> None:
    person = visit(View())
    person.open("?q=refund")
    person.page.locator("#small-print", has_text="faq-").wait_for()

    def renewed(route: Route) -> None:
        response = route.fetch()
        route.fulfill(response=response, json={**response.json(), "release": "faq-new"})

    person.page.route("**/v1/ask", renewed)
    ask(person, ANSWERED)
    person.page.locator("#small-print", has_text="Answers come from a new release").wait_for()


@pytest.mark.parametrize("status", [401, 429, 503])
def test_suggestions_are_silent_about_errors(visit: Visits, status: int) -> None:
    person = visit(View(), expecting=str(status))
    person.page.route("**/v1/suggest**", lambda route: route.fulfill(status=status, json={}))
    person.open("")
    person.write(field(person), "password")
    person.page.wait_for_timeout(400)
    assert person.page.get_by_role("listbox").is_hidden()
    assert person.page.locator("#results").inner_text() == ""
