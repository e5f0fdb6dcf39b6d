"""The queue of unanswered questions: what waits, the decisions, and their undoing."""

import html
import re
import time
from typing import Any

from app.knowledge.store import Store
from app.questions.log import QuestionLog
from app.settings import Settings
from tests.console.conftest import Person
from tests.console.test_editor import EVIL, UNSAFE
from tests.console.test_entries import stored
from tests.questions.made import asked

WOLF, SPAM = "may a wolf send spam to turnips", "turnip spam turnip wolf"


def ask(settings: Settings, *questions: str, first: int = 0) -> None:
    """Log questions that found no answer."""
    store = Store.open(settings.sqlalchemy_url)
    log = QuestionLog(store.database, "full")
    log.write([asked(first + n, text, "no_answer", (), at=time.time()) for n, text in enumerate(questions)])
    store.close()


def card(page: str) -> dict[str, str]:
    """The hidden fields of the card."""
    form = page.partition('<form action="review-accept"')[2]
    return {
        name: html.unescape(value) for name, value in re.findall(r'type="hidden" name="(\w+)" value="([^"]*)"', form)
    }


def undo(page: str) -> dict[str, Any]:
    form = page.partition('<form action="review-undo"')[2].partition("</form>")[0]
    fields = re.findall(r'name="(\w+)" value="([^"]*)"', form)
    return {name: html.unescape(value) for name, value in fields if name != "csrf"}


def test_without_texts_the_page_says_how_to_keep_them(person: Person) -> None:
    assert "Set FAQ_LOG_QUESTIONS=redacted" in person.see("unanswered")


def test_the_most_frequent_question_comes_first_and_is_accepted_and_undone(person: Person, keyed: Settings) -> None:
    ask(keyed, WOLF, f"{WOLF.upper()}?", SPAM)
    page = person.see("unanswered")
    assert "2 questions wait" in page
    first = card(page)
    assert first["question"].lower().startswith(WOLF)
    assert "2 times no answer" in page
    assert page.count('name="id"') == 4
    before = stored(keyed, "passage")
    person.send("review-accept", id="passage", **without_token(first))
    assert first["question"] in stored(keyed, "passage").alternatives
    accepted = person.see("unanswered")
    assert card(accepted)["question"] == SPAM
    person.send("review-undo", **undo(accepted))
    assert stored(keyed, "passage") == before
    assert card(person.see("unanswered"))["question"] == first["question"]


def test_a_dismissed_question_returns_when_it_was_asked_twice_as_often(person: Person, keyed: Settings) -> None:
    ask(keyed, "wolf wolf wolf", "wolf wolf wolf", "wolf wolf wolf", first=100)
    first = card(person.see("unanswered"))
    assert first["question"] == "wolf wolf wolf"
    person.send("review-dismiss", **without_token(first))
    assert card(person.see("unanswered"))["question"] != "wolf wolf wolf"
    ask(keyed, "wolf wolf wolf", "wolf wolf wolf", "wolf wolf wolf", first=200)
    assert card(person.see("unanswered"))["question"] == "wolf wolf wolf"
    person.send("review-dismiss", **without_token(card(person.see("unanswered"))))


def test_a_question_becomes_a_new_entry(person: Person, keyed: Settings) -> None:
    ask(keyed, "pets ping pets", "pets ping pets", "pets ping pets", first=300)
    first = card(person.see("unanswered"))
    address = person.send("review-new", **without_token(first))
    assert ">pets ping pets</textarea>" in person.see(address)


def test_later_shows_the_next_one_and_the_end_leads_to_the_first(person: Person, keyed: Settings) -> None:
    ask(keyed, "ping for a pet", "gift for a wolf", first=400)
    page = person.see("unanswered")
    following = re.search(r'href="(unanswered\?skip=\d+)"', page)
    assert following is not None
    assert card(person.see(following[1]))["question"] != card(page)["question"]
    assert "That was the last one" in person.see("unanswered?skip=999")


def test_a_question_never_becomes_markup(person: Person, keyed: Settings) -> None:
    ask(keyed, *[EVIL] * 9, first=500)
    page = person.see("unanswered")
    assert card(page)["question"] == EVIL
    assert not UNSAFE.search(page)
    assert not UNSAFE.search(person.see("today"))


def test_a_decision_without_its_question_changes_nothing(person: Person) -> None:
    for address in ("review-accept", "review-dismiss", "review-new"):
        person.send(address, 422, key="1", failed="1", question=" ")
        person.send(address, 422, key="x", failed="1", question="x")


def without_token(fields: dict[str, str]) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if name != "csrf"}
