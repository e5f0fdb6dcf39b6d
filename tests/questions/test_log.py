"""The question log: written, listed, searched, erased and forgotten, on both databases."""

import pytest
from sqlalchemy import select

from app.errors import InputError, NotFound
from app.knowledge.database import Database
from app.questions.asked import DAY_S, HOUR_S
from app.questions.feedback import Feedbacks, FeedbackSelection, Opinion, Subject
from app.questions.log import QuestionLog
from app.questions.selection import Selection
from app.questions.tables import EntryDayRow, OutcomeHourRow, QuestionDayRow
from tests.questions.made import NOON, answer, asked, request


def listed(log: QuestionLog, selection: Selection) -> list[int]:
    """The numbers of the questions of a selection, in order."""
    return [int(logged.request_id, 16) for logged in log.page(selection=selection).questions]


def test_a_logged_question_has_what_came_of_it(log: QuestionLog) -> None:
    log.write([asked(1, "Where?", shown=(answer("a", 0.8), answer("b", 0.6)), session="s-1")])
    log.write([asked(2, "Why?", "no_answer", shown=(answer("c", 0.2),)), asked(3, "How?", "no_answer", shown=())])
    why = log.get(request(2))
    assert (why.outcome, why.faq_id, why.confidence) == ("no_answer", "c", 0.2)
    assert (log.get(request(3)).faq_id, log.get(request(3)).confidence) == (None, None)
    where = log.get(request(1))
    assert (where.question, where.outcome, where.faq_id, where.confidence) == ("Where?", "answered", "a", 0.8)
    assert (where.asked_at, where.took_ms, where.release) == (NOON + 1, 4.0, "faq-a-b")
    assert (where.key_name, where.session) == ("web", "s-1")
    with pytest.raises(NotFound, match="is not in the log"):
        log.get(request(4))


def test_a_batch_that_is_written_twice_is_logged_once(log: QuestionLog) -> None:
    log.write([asked(1)])
    log.write([asked(1), asked(2)])
    assert listed(log, Selection()) == [2, 1]


def test_questions_are_paged_newest_first_while_new_ones_arrive(log: QuestionLog) -> None:
    log.write([asked(number) for number in range(5)])
    first = log.page(2)
    log.write([asked(9)])
    second = log.page(2, first.next_after)
    last = log.page(2, second.next_after)
    pages = [[int(logged.request_id, 16) for logged in page.questions] for page in (first, second, last)]
    assert (pages, last.next_after) == ([[4, 3], [2, 1], [0]], None)
    for wrong in ("x", "W10", first.next_after or "" + "x", "WyJhIiwgMV0"):
        if wrong != first.next_after:
            with pytest.raises(InputError, match="not a cursor"):
                log.page(2, wrong)


def test_questions_are_selected_by_text_outcome_entry_session_and_time(log: QuestionLog, feedbacks: Feedbacks) -> None:
    log.write(
        [
            asked(1, "WO IST MEINE STRASSE 50%?"),
            asked(2, "wo ist sie", "ambiguous", (answer("b"), answer("c"))),
            asked(3, "hours", "no_answer", (), session="s"),
        ]
    )
    feedbacks.give(Subject(request(2), "ambiguous", "faq-a-b", None, None, None), Opinion(False), NOON)
    assert listed(log, Selection(search="Straße 50%")) == [1]
    assert listed(log, Selection(search="%")) == [1]
    assert listed(log, Selection(search="wo  IST")) == [2, 1]
    assert listed(log, Selection(outcomes=["ambiguous", "no_answer"])) == [3, 2]
    assert listed(log, Selection(faq_id="b")) == [2]
    assert listed(log, Selection(session="s")) == [3]
    assert listed(log, Selection(release="faq-x-y")) == []
    assert listed(log, Selection(helpful=False)) == [2]
    assert listed(log, Selection(helpful=True)) == []
    assert listed(log, Selection(asked_from=NOON + 2, asked_before=NOON + 3)) == [2]
    assert listed(log, Selection(search="\0")) == []
    assert [int(logged.request_id, 16) for logged in log.stream(Selection(session="s"))] == [3]


def test_counts_add_up_over_batches(log: QuestionLog, database: Database) -> None:
    ambiguous = asked(2, "b", "ambiguous", (answer("a", 0.5), answer("b", 0.4)))
    log.write([asked(1, shown=(answer("a", 1.0), answer("b", 0.6))), ambiguous])
    log.write([asked(3, shown=(answer("a", 0.8),)), asked(4, "x", "no_answer", (answer("b", 0.1),))])
    log.write([asked(5, "x", "no_answer", ())])
    with database.read() as connection:
        outcomes = {tuple(row) for row in connection.execute(select(*OutcomeHourRow.__table__.columns))}
        entries = {row.faq_id: tuple(row)[2:] for row in connection.execute(select(*EntryDayRow.__table__.columns))}
    hour = int(NOON // HOUR_S)
    assert outcomes == {
        (hour, "answered", 9, 1, 4.0),
        (hour, "answered", 8, 1, 4.0),
        (hour, "ambiguous", 5, 1, 4.0),
        (hour, "no_answer", 1, 1, 4.0),
        (hour, "no_answer", -1, 1, 4.0),
    }
    assert entries == {"a": (2, 1, 1.8, NOON + 3), "b": (0, 3, 0.0, None)}


def test_a_session_is_erased_from_log_and_feedback(log: QuestionLog, feedbacks: Feedbacks) -> None:
    log.write([asked(1, session="s"), asked(2, session="t"), asked(3)])
    for number, session in ((1, "s"), (2, "t")):
        feedbacks.give(Subject(request(number), "answered", "faq-a-b", None, session, None), Opinion(True), NOON)
    assert log.erase("s") == (1, 1)
    assert listed(log, Selection()) == [3, 2]
    assert [given.session for given in feedbacks.stream()] == ["t"]
    assert log.erase("s") == (0, 0)


def test_old_questions_and_texts_of_old_feedback_are_forgotten(
    log: QuestionLog, feedbacks: Feedbacks, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.questions.log._FORGOTTEN", 2)
    now = NOON + 100 * DAY_S
    log.write([asked(number) for number in range(5)] + [asked(9, at=now)])
    old = Subject(request(1), "answered", "faq-a-b", "Where?", "s", None)
    feedbacks.give(old, Opinion(False, comment="bad"), NOON)
    feedbacks.give(old._replace(request_id=request(9)), Opinion(True, comment="good"), now)
    QuestionLog(database, "full", days=0).forget(now)
    assert len(listed(log, Selection())) == 6
    log.forget(now)
    assert listed(log, Selection()) == [9]
    kept = {given.request_id: (given.question, given.comment, given.session) for given in feedbacks.stream()}
    assert kept == {request(1): (None, None, None), request(9): ("Where?", "good", "s")}
    log.forget(NOON + 401 * DAY_S)
    assert [given.request_id for given in feedbacks.stream(FeedbackSelection())] == [request(9)]
    with database.read() as connection:
        assert connection.scalars(select(EntryDayRow.day)).all() == [int(now // DAY_S)]


def test_the_counts_of_questions_shrink_with_the_log(log: QuestionLog, database: Database) -> None:
    log.write([asked(1, "Where?", session="s"), asked(2, "where"), asked(3, "Who?", "no_answer", (), session="s")])
    log.write([asked(4, "Where?", session="s"), asked(5, "When?", at=NOON + 100 * DAY_S)])

    def counts() -> list[tuple[str, int, int]]:
        columns = QuestionDayRow.question, QuestionDayRow.answered, QuestionDayRow.no_answer
        with database.read() as connection:
            return sorted((row[0], row[1], row[2]) for row in connection.execute(select(*columns)))

    assert counts() == [("When?", 1, 0), ("Where?", 3, 0), ("Who?", 0, 1)]
    log.erase("s")
    assert counts() == [("When?", 1, 0), ("Where?", 1, 0)]
    log.forget(NOON + 100 * DAY_S)
    assert counts() == [("When?", 1, 0)]
