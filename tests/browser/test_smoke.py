"""The shortest way through every page in a real browser; `make test-browser` has the rest."""

from tests.browser.asking import choose_what_was_meant, find_no_answer, read_an_answer, take_a_suggestion
from tests.browser.conftest import Visits
from tests.browser.console import PAGES, edit_an_entry, try_and_teach
from tests.browser.console import visit as look
from tests.browser.hosting import Host
from tests.browser.people import View, findings, scrolls_sideways
from tests.browser.test_widget import opened, use_both
from tests.faults.service import Service

SMALL = View(360, dark=True, keyboard=True)
LARGE = View(1440)


def test_the_ask_page_by_mouse(visit: Visits) -> None:
    person = visit(LARGE)
    read_an_answer(person)
    assert findings(person.page) == []
    take_a_suggestion(person)


def test_the_ask_page_by_keyboard_on_a_small_screen(visit: Visits) -> None:
    person = visit(SMALL)
    read_an_answer(person)
    take_a_suggestion(person)
    choose_what_was_meant(person)
    find_no_answer(person)
    assert findings(person.page) == []
    assert not scrolls_sideways(person.page)


def test_the_widget_in_a_strict_page(visit: Visits, host: Host, running: Service) -> None:
    person = opened(visit(LARGE), host, running)
    use_both(person)
    assert findings(person.page) == []


def test_the_pages_of_the_console(signed_in: Visits) -> None:
    person = signed_in(LARGE)
    problems = []
    for page in PAGES:
        look(person, page)
        problems += findings(person.page)
    assert problems == []


def test_an_editor_at_work_by_keyboard_on_a_small_screen(signed_in: Visits) -> None:
    person = signed_in(SMALL)
    edit_an_entry(person, "lamp")
    try_and_teach(person, "password lost, reset it")
