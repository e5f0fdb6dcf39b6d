"""Try it: the candidates with their signals, the decision, and teaching the FAQ."""

import re
from collections.abc import Callable

import pytest

from app.keys import KeyScope
from app.settings import Settings
from tests.conftest import ADMIN_KEY
from tests.console.conftest import Person
from tests.console.test_entries import steps, stored

QUESTION = "when do I get the money for my return"
ADDRESS = f"try?question={QUESTION.replace(' ', '+')}"


def test_a_question_shows_what_each_signal_adds_to_the_score(person: Person) -> None:
    page = person.see(ADDRESS)
    first = page.partition('<li class="panel candidate')[2].partition("</li>")[0]
    assert "When will I get my refund?" in first
    score = re.search(r"score (-?[\d.]+)", first)
    added = [float(value) for value in re.findall(r'"number">([+-][\d.]+)<', first)]
    assert score is not None
    assert sum(added) == pytest.approx(float(score[1]), abs=0.003)


def test_the_decision_is_that_of_the_api(person: Person) -> None:
    for question in (QUESTION, "How do I reset my password?", "spam wolf turnip"):
        asked = person.client.post("/v1/ask", json={"question": question}, headers={"X-API-Key": ADMIN_KEY}).json()
        page = person.see(f"try?question={question.replace(' ', '+')}")
        assert f'class="badge {asked["status"]}"' in page
        given = page.count("panel candidate given")
        assert given == len(asked["answers"])


def test_a_question_that_stands_in_an_entry_is_explained(person: Person) -> None:
    page = person.see("try?question=How+do+I+reset+my+password%3F")
    assert "An entry holds this question word for word." in page
    assert "100 %" in page


@pytest.mark.parametrize(("lesson", "field"), [("phrasing", "alternatives"), ("negative", "negatives")])
def test_the_faq_is_taught_and_the_lesson_undone(person: Person, keyed: Settings, lesson: str, field: str) -> None:
    before = stored(keyed, "delivery")
    address = person.send("teach", id="delivery", question=QUESTION, lesson=lesson)
    assert getattr(stored(keyed, "delivery"), field) == (QUESTION,)
    page = person.see(address)
    person.send("undo", step=steps(page), back=address)
    assert stored(keyed, "delivery") == before


def test_what_was_taught_the_other_way_is_replaced(person: Person, keyed: Settings) -> None:
    for lesson in ("phrasing", "negative", "negative"):
        person.send("teach", id="delivery", question=QUESTION, lesson=lesson)
    entry = stored(keyed, "delivery")
    assert (entry.alternatives, entry.negatives) == ((), (QUESTION,))


def test_who_may_only_ask_teaches_nothing(person_with: Callable[[KeyScope], Person]) -> None:
    person = person_with("ask")
    page = person.see(ADDRESS)
    assert "Add as phrasing" not in page
    assert "entry?id=" not in page
    person.send("teach", 403, id="refund", question="x", lesson="phrasing")


def test_a_question_that_cannot_be_asked_is_told(person: Person) -> None:
    assert "control character" in person.see("try?question=%00", 422)
