"""The console in a real browser: every journey by mouse and by keyboard, on three screens, in light and dark."""

from pathlib import Path

import pytest

from tests.browser.conftest import Visits
from tests.browser.console import (
    PAGES,
    edit_an_entry,
    import_a_file,
    keep_a_golden_question,
    told,
    try_and_teach,
    visit,
)
from tests.browser.people import VIEWS, View, findings, scrolls_sideways
from tests.conftest import ADMIN_KEY
from tests.faults.service import Service

pytestmark = pytest.mark.browser


@pytest.mark.parametrize("view", VIEWS, ids=str)
def test_entries_are_written_found_and_tagged(signed_in: Visits, view: View) -> None:
    edit_an_entry(signed_in(view), f"barrel {view}")


@pytest.mark.parametrize("view", VIEWS, ids=str)
def test_a_question_is_tried_and_taught(signed_in: Visits, view: View) -> None:
    try_and_teach(signed_in(view), f"reset the password {view}")


@pytest.mark.parametrize("view", VIEWS, ids=str)
def test_golden_questions_are_kept(signed_in: Visits, view: View) -> None:
    keep_a_golden_question(signed_in(view), f"money back {view}")


@pytest.mark.parametrize("view", VIEWS, ids=str)
def test_a_file_is_checked(signed_in: Visits, tmp_path: Path, view: View) -> None:
    import_a_file(signed_in(view), tmp_path, "cellar.jsonl")


@pytest.mark.parametrize("view", VIEWS, ids=str)
def test_every_page_is_reached_by_the_menu(signed_in: Visits, view: View) -> None:
    person = signed_in(view)
    for name in ("Unanswered", "Entries", "Golden questions", "Try it", "Releases", "Import", "Today"):
        menu = person.page.get_by_role("button", name="Menu")
        if menu.is_visible():
            person.press(menu)
        person.press(person.page.get_by_role("navigation").get_by_role("link", name=name))
        person.page.locator("nav [aria-current=page]", has_text=name).wait_for(state="attached")


@pytest.mark.parametrize("view", [view for view in VIEWS if not view.keyboard], ids=str)
def test_axe_finds_nothing_serious_and_nothing_scrolls_sideways(signed_in: Visits, view: View) -> None:
    person = signed_in(view)
    problems = []
    for page in PAGES:
        visit(person, page)
        problems += findings(person.page)
        problems += [f"{page} scrolls sideways"] if scrolls_sideways(person.page) else []
    assert problems == []


@pytest.mark.parametrize("view", VIEWS, ids=str)
def test_a_wrong_key_is_told_and_the_right_one_enters_and_leaves(visit: Visits, view: View) -> None:
    person = visit(view, expecting="40")
    person.open("console")
    person.write(person.page.get_by_label("Key"), "wrong")
    person.press(person.page.get_by_role("button", name="Sign in"))
    person.page.locator("#key[aria-invalid=true]").wait_for()
    assert findings(person.page) == []
    person.write(person.page.get_by_label("Key"), ADMIN_KEY)
    person.press(person.page.get_by_role("button", name="Sign in"))
    person.page.wait_for_url("**/console/today")
    menu = person.page.get_by_role("button", name="Menu")
    if menu.is_visible():
        person.press(menu)
    person.press(person.page.get_by_role("button", name="Sign out"))
    person.page.get_by_label("Key").wait_for()


def test_two_who_edit_one_entry_see_both_texts(signed_in: Visits) -> None:
    first, second = signed_in(View()), signed_in(View(360, keyboard=True), expecting="412")
    for person, answer in ((first, "Ann ships turnips."), (second, "Bob ships turnips.")):
        visit(person, "entry?id=passage")
        person.write(person.page.get_by_label("Answer", exact=True), answer)
    first.page.get_by_role("button", name="Save").click()
    told(first, "Saved.")
    second.page.keyboard.press("Control+s")
    second.page.get_by_role("heading", name="Somebody else saved this entry").wait_for()
    assert second.page.get_by_label("Answer", exact=True).input_value() == "Bob ships turnips."
    second.wait("!document.querySelector('.htmx-request')")  # what is loading is pale
    assert findings(second.page) == []
    second.press(second.page.get_by_role("button", name="Take theirs"))
    second.wait("document.querySelector('#answer').value === 'Ann ships turnips.'")


@pytest.mark.parametrize(
    ("view", "topics"),
    [
        (View(360, dark=True, keyboard=True), ("spam turnip wolf", "quantum llama")),
        (View(1440), ("velvet submarine", "crimson gazebo")),
    ],
    ids=str,
)
def test_unanswered_questions_are_dealt_with(
    signed_in: Visits, running: Service, view: View, topics: tuple[str, str]
) -> None:
    for topic in topics:
        running.client.post("/v1/ask", json={"question": topic}).raise_for_status()
    running.wait(lambda: topics[-1] in running.client.get("/v1/admin/questions?limit=50").text)
    person = signed_in(view)
    visit(person, "unanswered")
    for key, name, message in (
        ("x", "Dismiss", "Dismissed."),
        ("u", "Undo", ""),
        ("a", "Accept as phrasing", "Accepted"),
    ):
        before = person.page.locator("[data-review] h2").inner_text()
        if view.keyboard:
            person.page.keyboard.press(key)
        else:
            person.page.get_by_role("button", name=name).click()
        if message:
            told(person, message)
        person.wait("text => document.querySelector('h2')?.innerText !== text", before)
