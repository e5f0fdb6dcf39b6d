"""Statistics of entries, hours and questions, on both databases."""

import pytest

from app.errors import InputError
from app.knowledge.database import Database
from app.knowledge.entry import Entry
from app.knowledge.store import Store
from app.questions.asked import DAY_S, HOUR_S
from app.questions.feedback import Feedbacks, Opinion, Subject
from app.questions.figures import ENTRY_SORTS, Period
from app.questions.log import QuestionLog
from app.questions.statistics import Statistics
from tests.questions.made import NOON, answer, asked, request

DAY = Period(NOON - HOUR_S, NOON + HOUR_S)


@pytest.fixture
def statistics(database: Database, log: QuestionLog, feedbacks: Feedbacks) -> Statistics:
    """Four entries: `a` asked now and a day before, `b` offered and asked, `c` archived, `d` never shown."""
    states = {"a": "live", "b": "live", "c": "archived", "d": "live"}
    Store(database).import_entries(
        [Entry(id=name, question=f"{name}?", answer=name, state=state) for name, state in states.items()],  # type: ignore[arg-type]
        "append",
    )
    log.write([asked(number, "Yesterday?", shown=(answer("a"),), at=NOON - DAY_S) for number in range(10, 15)])
    log.write([asked(1, "Is it A?", shown=(answer("a", 0.9), answer("b", 0.5)))])
    log.write([asked(2, "is it a", shown=(answer("a", 0.7),)), asked(3, "B", "ambiguous", (answer("b"), answer("c")))])
    log.write([asked(4, "B!", shown=(answer("b", 0.6),)), asked(5, "who", "no_answer", (), at=NOON + 2 * HOUR_S)])
    for number, helpful in ((1, True), (2, True), (3, False)):
        feedbacks.give(Subject(request(number), "answered", "r", None, None, None), Opinion(helpful, "a"), NOON)
    return Statistics(database)


def test_an_entry_has_its_hits_options_confidence_and_feedback(statistics: Statistics) -> None:
    a, b, d, c = statistics.entries(DAY, "-hits").entries
    assert (a.faq_id, a.question, a.state, a.hits, a.options) == ("a", "a?", "live", 2, 0)
    assert a.confidence == pytest.approx(0.8)
    assert a.last_asked == NOON + 2
    assert (a.helpful, a.unhelpful) == (2, 1)
    assert a.helpful_share == pytest.approx(2 / 3)
    assert (b.faq_id, b.hits, b.options, b.helpful_share) == ("b", 1, 2, None)
    assert (d.faq_id, d.hits, d.options, d.confidence, d.last_asked) == ("d", 0, 0, None, None)
    assert (c.faq_id, c.hits, c.options) == ("c", 0, 1)
    month = {entry.faq_id: entry.hits for entry in statistics.every_entry(Period(NOON - 30 * DAY_S, NOON + 1))}
    assert month == {"a": 7, "b": 1, "c": 0, "d": 0}


def test_live_entries_that_were_never_the_answer_are_listed(statistics: Statistics) -> None:
    assert [entry.faq_id for entry in statistics.entries(DAY, never=True).entries] == ["d"]
    before = Period(NOON - 9 * DAY_S, NOON - 8 * DAY_S)
    assert [entry.faq_id for entry in statistics.entries(before, "hits", never=True).entries] == ["a", "b", "d"]


def test_every_order_can_be_paged(statistics: Statistics) -> None:
    for sort in ENTRY_SORTS:
        whole = [entry.faq_id for entry in statistics.entries(DAY, sort).entries]
        paged, after = [], None
        for _ in range(4):
            page = statistics.entries(DAY, sort, 1, after)
            paged.append(page.entries[0].faq_id)
            after = page.next_after
        assert (paged, after) == (whole, None), sort
        assert sorted(whole) == ["a", "b", "c", "d"]
    assert statistics.entries(DAY, "last_asked").entries[-1].faq_id == "b"
    with pytest.raises(InputError, match="not a cursor"):
        statistics.entries(DAY, "-hits", after=statistics.entries(DAY, "-last_asked", 1).next_after)


def test_outcomes_are_counted_by_the_hour(statistics: Statistics) -> None:
    first, second = statistics.hours(Period(NOON, NOON + 3 * HOUR_S))
    assert (first.hour, first.answered, first.ambiguous, first.no_answer, first.took_ms) == (NOON, 3, 1, 0, 4.0)
    assert (second.hour, second.no_answer) == (NOON + 2 * HOUR_S, 1)
    assert statistics.confidences(Period(NOON, NOON + 3 * HOUR_S)) == {9: 2, 7: 1, 6: 1, -1: 1}
    assert statistics.hours(Period(NOON + 9 * HOUR_S, NOON + 10 * HOUR_S)) == []


def test_questions_that_differ_in_case_and_punctuation_are_counted_together(statistics: Statistics) -> None:
    top = statistics.top_questions(DAY, 2)
    assert [(question.question.lower().strip("!?"), question.asked) for question in top] == [("b", 2), ("is it a", 2)]
    assert (top[0].answered, top[0].ambiguous, top[0].last_asked) == (1, 1, NOON + 4)
    assert statistics.top_questions(Period(NOON - 2 * DAY_S, NOON + DAY_S), 1)[0].question == "Yesterday?"
