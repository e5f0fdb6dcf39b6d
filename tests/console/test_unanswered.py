"""The queue of unanswered questions: the clusters that wait, the decisions, and their undoing."""

import html
import re
import time
from contextlib import closing
from typing import Any

from app.knowledge.entry import Entry
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


def card(page: str) -> dict[str, Any]:
    """The fields of the card as its form sends them, all questions chosen."""
    form = page.partition('<form action="review-accept"')[2].partition("</form>")[0]
    fields: dict[str, Any] = dict(re.findall(r'type="hidden" name="(cluster|version)" value="([^"]*)"', form))
    return fields | {"question": re.findall(r'name="question" value="([^"]*)"', form)}


def title(page: str) -> str:
    """The question that the card shows first."""
    return html.unescape(page.partition('<h2 class="big">')[2].partition("</h2>")[0])


def undo(page: str) -> dict[str, Any]:
    form = page.partition('<form action="review-undo"')[2].partition("</form>")[0]
    fields: dict[str, list[str]] = {}
    for name, value in re.findall(r'name="(question|step)" value="([^"]*)"', form):
        fields.setdefault(name, []).append(html.unescape(value))
    return fields


def test_without_texts_the_page_says_how_to_keep_them(person: Person) -> None:
    assert "Set FAQ_LOG_QUESTIONS=redacted" in person.see("unanswered")


def test_the_most_frequent_question_comes_first_and_is_accepted_and_undone(person: Person, keyed: Settings) -> None:
    ask(keyed, WOLF, f"{WOLF.upper()}?", SPAM)
    page = person.see("unanswered")
    assert title(page).lower().startswith(WOLF)
    assert "2 times no answer" in page
    assert page.count('name="id"') == 4
    before = stored(keyed, "passage")
    person.send("review-accept", id="passage", **card(page))
    assert title(page) in stored(keyed, "passage").alternatives
    accepted = person.see("unanswered")
    assert title(accepted) == SPAM
    person.send("review-undo", **undo(accepted))
    assert stored(keyed, "passage") == before
    assert title(person.see("unanswered")) == title(page)


def test_questions_that_ask_the_same_are_one_card_and_only_the_chosen_ones_are_taken(
    person: Person, keyed: Settings
) -> None:
    alike = ["gift wolf gift pet?", "gift wolf gift pet", "gift gift wolf pet", "wolf gift pet gift"]
    ask(keyed, *alike, first=50)
    page = person.see("unanswered")
    fields = card(page)
    assert page.count('type="checkbox"') == len(fields["question"]) == 3
    person.send("review-refuse", id="passage", **fields | {"question": fields["question"][1:]})
    assert len(stored(keyed, "passage").negatives) == 2
    left = person.see("unanswered")
    assert title(left).startswith(alike[1])
    assert len(card(left)["question"]) == 1
    person.send("review-dismiss", 409, **fields)
    person.send("review-dismiss", **card(left))


def test_a_dismissed_question_returns_when_it_was_asked_twice_as_often(person: Person, keyed: Settings) -> None:
    ask(keyed, "wolf wolf wolf", "wolf wolf wolf", "wolf wolf wolf", first=100)
    page = person.see("unanswered")
    assert title(page) == "wolf wolf wolf"
    person.send("review-dismiss", **card(page))
    assert title(person.see("unanswered")) != "wolf wolf wolf"
    ask(keyed, "wolf wolf wolf", "wolf wolf wolf", "wolf wolf wolf", first=200)
    assert title(person.see("unanswered")) == "wolf wolf wolf"
    person.send("review-dismiss", **card(person.see("unanswered")))


def test_a_question_becomes_a_draft(person: Person, keyed: Settings) -> None:
    ask(keyed, *["pets ping pets"] * 4, first=300)
    address = person.send("review-new", **card(person.see("unanswered")))
    assert ">pets ping pets</textarea>" in person.see(address)
    draft = next(entry for entry in entries_of(keyed) if entry.question == "pets ping pets")
    assert draft.state == "draft"


def test_later_shows_the_next_one_and_the_end_leads_to_the_first(person: Person, keyed: Settings) -> None:
    ask(keyed, "ping for a pet", "gift for a wolf", first=400)
    page = person.see("unanswered")
    following = re.search(r'href="(unanswered\?skip=\d+)"', page)
    assert following is not None
    assert title(person.see(following[1])) != title(page)
    assert "That was the last one" in person.see("unanswered?skip=999")


def test_a_question_never_becomes_markup(person: Person, keyed: Settings) -> None:
    ask(keyed, *[EVIL] * 9, first=500)
    page = person.see("unanswered")
    assert title(page) == EVIL
    assert not UNSAFE.search(page)
    assert not UNSAFE.search(person.see("today"))


def test_a_decision_that_lacks_its_questions_or_its_entry_changes_nothing(person: Person) -> None:
    fields = card(person.see("unanswered"))
    for address in ("review-accept", "review-refuse", "review-new"):
        person.send(address, 422, id="passage", **fields | {"question": []})
        person.send(address, 422, id="passage", **fields | {"question": ["x"]})
    person.send("review-accept", 422, **fields)
    person.send("review-accept", 404, id="nowhere", **fields)


def entries_of(settings: Settings) -> list[Entry]:
    """All entries of the store."""
    with closing(Store.open(settings.sqlalchemy_url)) as store:
        return list(store.entries())
