"""The widget in a page of another origin, with a strict policy and hostile styles (examples/widget.html)."""

import pytest
from playwright.sync_api import Locator

from tests.browser.conftest import Visits
from tests.browser.hosting import Host
from tests.browser.people import VIEWS, Person, View, findings, scrolls_sideways
from tests.faults.service import Service

pytestmark = pytest.mark.browser

# The widget's own colors of a scheme: those of the example are for light.
SCHEME = """scheme => document.querySelectorAll("faq-widget").forEach((widget) => {
    widget.style.setProperty("--faq-accent", "initial");
    widget.setAttribute("scheme", scheme);
})"""


def opened(person: Person, host: Host, service: Service) -> Person:
    """The example, with this service for its widget."""
    host.service = service.url
    person.page.goto(f"{host.url}/widget.html")
    person.page.locator("faq-widget").first.get_by_role("heading").wait_for()
    return person


def ask_inside(person: Person, widget: Locator) -> None:
    """Ask the widget, and say that it helped."""
    person.write(widget.get_by_label("Your question"), "How can I return my order?")
    person.page.keyboard.press("Enter")
    widget.get_by_text("pack").wait_for()
    person.press(widget.get_by_role("button", name="Yes"))
    widget.get_by_text("Thank you.").wait_for()
    person.press(widget.get_by_role("button", name="When will I get my refund?"))
    widget.get_by_text("Within five days of the return.").wait_for()


def use_both(person: Person) -> None:
    """Ask inside the page, talk to a person, and ask in the dialog."""
    inline, dialog = person.page.locator("faq-widget").all()
    ask_inside(person, inline)
    person.press(inline.get_by_role("button", name="Talk to a person"))
    person.sees("Call 0800 123 456")
    person.press(dialog.get_by_role("button", name="Help"))
    ask_inside(person, dialog)
    if person.view.keyboard:
        person.page.keyboard.press("Escape")
    else:
        dialog.get_by_role("button", name="Close").click()
    assert dialog.get_by_role("dialog").is_hidden()


@pytest.mark.parametrize("view", VIEWS, ids=str)
def test_a_journey(visit: Visits, host: Host, running: Service, view: View) -> None:
    person = opened(visit(view), host, running)
    use_both(person)
    assert not scrolls_sideways(person.page)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("view", [View(360), View(1440, dark=True)], ids=str)
def test_axe_finds_nothing_serious(visit: Visits, host: Host, running: Service, view: View, scheme: str) -> None:
    person = opened(visit(view), host, running)
    person.page.evaluate(SCHEME, scheme)
    dialog = person.page.locator("faq-widget").last
    dialog.get_by_role("button", name="Help").click()
    ask_inside(person, dialog)
    assert findings(person.page) == []


def test_styles_of_the_page_do_not_reach_inside(visit: Visits, host: Host, running: Service) -> None:
    person = opened(visit(View()), host, running)
    button = person.page.locator("faq-widget").first.get_by_role("button", name="Ask", exact=True)
    style = "node => { const s = getComputedStyle(node); return [s.letterSpacing, s.textTransform, s.float]; }"
    assert button.evaluate(style) == ["normal", "none", "none"]


def test_the_page_learns_what_was_asked_of_a_person(visit: Visits, host: Host, running: Service) -> None:
    person = opened(visit(View()), host, running)
    widget = person.page.locator("faq-widget").first
    person.page.evaluate("document.addEventListener('faq-talk', (event) => { window.heard = event.detail; })")
    person.write(widget.get_by_label("Your question"), "Where is it?")
    widget.get_by_role("button", name="Talk to a person").click()
    assert person.page.evaluate("window.heard") == {"question": "Where is it?"}
