"""What a person does in the console, with whatever hand."""

import json
from pathlib import Path

from playwright.sync_api import Locator

from tests.browser.people import Person

PAGES = (
    "today",
    "unanswered",
    "entries",
    "entry?id=return",
    "new",
    "golden",
    "try?question=send+a+gift",
    "releases",
    "import",
)


def visit(person: Person, address: str) -> None:
    """Show a page of the console, with what it loads by itself."""
    person.open(f"console/{address}")
    person.page.locator("#main h1, .up").first.wait_for()
    person.wait("!document.querySelector('.htmx-request')")


def told(person: Person, text: str) -> Locator:
    """The message at the top of the page, once it holds this text."""
    message = person.page.locator("#flash", has_text=text)
    message.wait_for()
    return message


def edit_an_entry(person: Person, name: str) -> None:
    """Write an entry, give it a phrasing, save it, find it, tag it, and undo that."""
    page = person.page
    visit(person, "new")
    person.write(page.get_by_label("Question", exact=True), f"Where is the {name}?")
    person.write(page.get_by_label("Answer", exact=True), "In the **cellar**.")
    page.locator("#preview strong", has_text="cellar").wait_for()
    person.write(page.get_by_label("Add a phrasing"), f"{name} place")
    page.keyboard.press("Enter")
    if person.view.keyboard:
        page.keyboard.press("Control+s")
    else:
        page.get_by_role("button", name="Create entry").click()
    told(person, "Created.")
    visit(person, "entries")
    person.write(page.get_by_role("searchbox"), name)
    page.locator("[data-row]").first.wait_for()
    person.wait("document.querySelectorAll('[data-row]').length === 1")
    person.press(page.get_by_role("checkbox", name=f"Where is the {name}?"), "Space")
    person.write(page.get_by_placeholder("Tag", exact=True), "cellar")
    page.keyboard.press("Enter")
    told(person, "Tag added to 1 entry.")
    person.press(page.locator("#flash").get_by_role("button", name="Undo"))
    page.get_by_role("link", name="cellar", exact=True).wait_for(state="detached")


def try_and_teach(person: Person, question: str) -> None:
    """See how an answer comes about, and add the question to the entry."""
    page = person.page
    visit(person, "try")
    person.write(page.get_by_role("textbox", name="Question"), question)
    page.keyboard.press("Enter")
    page.get_by_role("heading", name="Candidates").wait_for()
    person.press(page.locator(".candidate").first.get_by_role("button", name="Add as phrasing"))
    told(person, "Added as a phrasing.")


def keep_a_golden_question(person: Person, question: str) -> None:
    """Add one, and delete it."""
    page = person.page
    visit(person, "golden")
    person.write(page.get_by_label("Question", exact=True), question)
    person.write(page.get_by_label("Right entry"), "refund")
    person.press(page.get_by_role("button", name="Add question"))
    told(person, "Saved.")
    row = page.locator("tr", has_text=question)
    person.press(row.get_by_role("button", name="Delete"))
    told(person, "The golden question is deleted.")


def import_a_file(person: Person, directory: Path, name: str) -> None:
    """See what a file would change."""
    page = person.page
    path = directory / name
    path.write_text(json.dumps({"id": "cellar", "question": "Is there a cellar?", "answer": "Yes."}) + "\n")
    visit(person, "import")
    page.locator("input[type=file]").set_input_files(path)
    page.get_by_role("heading", name=f"What {name} would change").wait_for()
