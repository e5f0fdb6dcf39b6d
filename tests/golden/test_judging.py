"""What counts as right, as broken, and as better."""

import pytest

from app.golden.judging import Expected, Outcome, judge, lines_of, outcome_of, verdict
from app.ranking.decision import Decision
from app.ranking.ranked import Ranked
from app.replies import Reply
from tests.hits import payload, ranked_of


def ranked(*entries: tuple[str, str]) -> Ranked:
    """Entries of these ids and answers, best first."""
    payloads = [payload(id=faq_id, question=faq_id, answer=answer) for faq_id, answer in entries]
    return ranked_of(payloads, [0.9 - place / 10 for place in range(len(entries))], [-1] * len(entries))


ENTRIES = ranked(("a", "one"), ("b", "two"), ("c", "one"), ("d", "four"))


@pytest.mark.parametrize(
    ("decision", "faq_id", "right"),
    [
        (Decision("answered", [0, 1]), "a", True),
        (Decision("answered", [0, 1]), "b", False),  # only the first answer counts
        (Decision("answered", [0, 1]), "c", True),  # the same answer as the first
        (Decision("answered", [0, 1]), None, False),
        (Decision("ambiguous", [0, 1]), "b", True),
        (Decision("ambiguous", [0, 1]), "d", False),
        (Decision("ambiguous", [0, 1]), None, False),
        (Decision("no_answer", []), "a", False),
        (Decision("no_answer", []), None, True),
    ],
)
def test_an_outcome_is_right_as_a_person_would_see_it(decision: Decision, faq_id: str | None, right: bool) -> None:
    reply = Reply.of(ENTRIES, decision)
    outcome = outcome_of("abcd", ENTRIES, reply, Expected("q", faq_id))
    assert outcome.right is right
    assert (outcome.confidence, outcome.nearest) == (0.9, ("a", "b", "c", "d"))
    assert outcome_of("abcd", ENTRIES, reply, None).right is None


def outcome(right: bool | None, *shown: str) -> Outcome:
    return Outcome("answered" if shown else "no_answer", shown, 0.7, right, shown)


RIGHT, WRONG, LOST = outcome(True, "a"), outcome(False, "b"), outcome(False)


def test_broken_are_those_that_were_right_but_for_entries_that_are_gone() -> None:
    expected = [Expected(text, "a" if text != "gone" else "x") for text in ("same", "broken", "gone", "fixed", "never")]
    judged = judge(expected, [RIGHT, RIGHT, RIGHT, WRONG, WRONG], [RIGHT, WRONG, LOST, RIGHT, LOST], {"x": "archived"})
    assert [missed.question for missed in judged.broken] == ["broken"]
    assert [(missed.question, missed.reason) for missed in judged.waived] == [("gone", "archived")]
    assert [missed.question for missed in judged.wrong] == ["broken", "gone", "never"]
    assert (judged.questions, judged.right, judged.fixed) == (5, 2, 1)
    assert lines_of(judged.broken) == ["“broken”: expected `a`, gets `b` (answered)"]


def test_nothing_breaks_where_nothing_was_live() -> None:
    judged = judge([Expected("q", "a")], None, [WRONG], {})
    assert (judged.broken, judged.waived, judged.fixed, judged.right) == ([], [], 0, 0)


@pytest.mark.parametrize(
    ("before", "after", "better"),
    [
        (RIGHT, RIGHT, "same"),
        (RIGHT, WRONG, "worse"),
        (WRONG, RIGHT, "better"),
        (WRONG, LOST, "changed"),
        (outcome(None, "a"), outcome(None, "b"), "changed"),
        (outcome(None, "a"), outcome(None, "a"), "same"),
    ],
)
def test_the_verdict_on_two_outcomes(before: Outcome, after: Outcome, better: str) -> None:
    assert verdict(before, after) == better
