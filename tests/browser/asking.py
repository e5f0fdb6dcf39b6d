"""What a person does on the ask page, with whatever hand."""

from playwright.sync_api import Locator

from tests.browser.people import Person

ANSWERED, CHOICE, UNANSWERED = "How can I return my order?", "can i send a gift?", "free delivery"


def field(person: Person) -> Locator:
    return person.page.get_by_role("combobox")


def ask(person: Person, question: str) -> None:
    """Type a question and ask it."""
    person.write(field(person), question)
    if person.view.keyboard:
        person.page.keyboard.press("Enter")
    else:
        person.page.get_by_role("button", name="Ask", exact=True).click()


def read_an_answer(person: Person) -> None:
    """Ask, read, copy, say why it did not help, follow a related question, and go back."""
    page = person.page
    person.open("")
    ask(person, ANSWERED)
    page.get_by_role("heading", name=ANSWERED).wait_for()
    assert page.locator(".card strong").inner_text() == "pack"
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    person.press(page.get_by_role("button", name="Copy"))
    page.get_by_role("button", name="Copied").wait_for()
    assert page.evaluate("navigator.clipboard.readText()").startswith("Print the label, then:")
    person.press(page.get_by_role("button", name="No", exact=True))
    person.press(page.get_by_role("button", name="It is out of date"))
    person.sees("Thank you.")
    person.press(page.get_by_role("button", name="When will I get my refund?"))
    page.get_by_role("heading", name="When will I get my refund?").wait_for()
    page.go_back()
    page.get_by_role("heading", name=ANSWERED).wait_for()
    assert field(person).input_value() == ANSWERED


def choose_what_was_meant(person: Person) -> None:
    """Open one of two questions that are the same but for their answers."""
    page = person.page
    person.open("?q=" + CHOICE.replace(" ", "+"))
    page.get_by_role("heading", name="Did you mean").wait_for()
    person.press(page.locator("summary", has_text="a key"))
    page.locator("details[open] .text", has_text="Yes, a key by email.").wait_for()
    assert page.locator("details[open]").count() == 1


def find_no_answer(person: Person) -> None:
    """Learn that there is none, and ask something that has one."""
    page = person.page
    person.open("")
    ask(person, UNANSWERED)
    page.get_by_role("heading", name="The FAQ has no answer to this").wait_for()
    person.press(page.get_by_role("button", name="What is the delivery fee?"))
    page.get_by_role("heading", name="What is the delivery fee?").wait_for()


def take_a_suggestion(person: Person) -> None:
    """Type a part, and take a question of the FAQ."""
    page = person.page
    person.open("")
    person.write(field(person), "password re")
    option = page.get_by_role("option", name="How do I reset my password?")
    option.wait_for()
    assert field(person).get_attribute("aria-expanded") == "true"
    if person.view.keyboard:
        page.keyboard.press("ArrowDown")
        assert field(person).get_attribute("aria-activedescendant") == option.get_attribute("id")
        assert option.get_attribute("aria-selected") == "true"
        page.keyboard.press("Enter")
    else:
        option.click()
    page.get_by_role("heading", name="How do I reset my password?").wait_for()
    assert page.get_by_role("listbox").is_hidden()


JOURNEYS = (read_an_answer, choose_what_was_meant, find_no_answer, take_a_suggestion)
