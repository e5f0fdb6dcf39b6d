"""Today: what was asked, as figures and charts with their tables, and what needs a person; and the live effect."""

import time
from datetime import UTC, datetime

from app.console.charts import HEIGHT, WIDTH, Stack, bar_chart
from app.console.outcomes import outcome_stacks
from app.knowledge.store import Store
from app.questions.figures import HourFigures, Period
from app.questions.log import QuestionLog
from app.settings import Settings
from tests.console.conftest import Person
from tests.questions.made import asked


def log(settings: Settings, *questions: str) -> None:
    store = Store.open(settings.sqlalchemy_url)
    QuestionLog(store.database, "full").write(
        [asked(number, text, at=time.time()) for number, text in enumerate(questions)]
    )
    store.close()


def test_nobody_asked_is_said_and_then_counted(person: Person, keyed: Settings) -> None:
    assert "Nobody asked in this time" in person.see("today")
    log(keyed, "one?", "two?")
    page = person.see("today?days=1")
    assert page.count("<svg viewBox") == page.count("The chart as a table") == 2
    assert "keeps no texts of questions" in page


def test_the_columns_of_a_chart_fill_their_place_and_no_more() -> None:
    blocks = bar_chart([Stack("a", [1, 2, 0]), Stack("b", [6, 0, 0])], ["x", "y", "z"])
    assert [block.series for block in blocks] == [0, 1, 0]
    assert max(block.height for block in blocks) == HEIGHT
    assert all(block.x >= 0 and block.x + block.width <= WIDTH and block.y >= 0 for block in blocks)
    assert bar_chart([], ["x"]) == []


def test_a_day_without_a_question_has_a_column_too() -> None:
    end = datetime(2026, 3, 8, 12, tzinfo=UTC).timestamp()
    hours = [HourFigures(end - 3600, 3, 2, 1, 1.0), HourFigures(end - 2 * 86400, 1, 0, 0, 1.0)]
    stacks = outcome_stacks(hours, Period(end - 7 * 86400, end), 7)
    assert [stack.label for stack in stacks][-3:] == ["06 Mar", "07 Mar", "08 Mar"]
    assert [list(stack.values) for stack in stacks][-3:] == [[1, 0, 0], [0, 0, 0], [3, 2, 1]]
    assert len(stacks) == 7


def test_what_needs_a_person_is_named_first(person: Person) -> None:
    person.send("entry", id="unfinished", question="Unfinished?", answer="Not yet.", state="draft")
    page = person.see("today").partition("Needs a person")[2]
    assert 'href="entries?view=draft"' in page
    assert "Written, and not live yet." in page


def test_the_effect_shows_what_would_change_without_saving(person: Person) -> None:
    fields = {"id": "delivery", "question": "What is the delivery fee?", "answer": "Free.", "state": "live"}
    shown = person.send("effect", 200, part=True, tried="gift for a wolf", alternatives="gift for a wolf", **fields)
    assert shown.count('<li class="here">') == 2
    assert '<p class="gets was">' in shown
    later = person.send("effect", 200, part=True, tried="gift for a wolf", **fields)
    assert '<li class="elsewhere">' in later
    assert "Write an answer first" in person.send("effect", 200, part=True, question="x", answer=" ")


def test_likely_mistakes_are_shown_beside_the_effect(person: Person) -> None:
    fields = {"id": "twice", "question": "What is the delivery fee?", "answer": "Nothing at all.", "state": "live"}
    shown = person.send("effect", 200, part=True, follow_ups="nowhere", **fields)
    assert 'aria-label="Likely mistakes"' in shown
    assert 'href="entry?id=delivery"' in shown
