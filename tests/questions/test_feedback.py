"""Feedback: given once for each request and answer, changeable for a day, always redacted."""

import pytest

from app.errors import Conflict, InputError
from app.knowledge.database import Database
from app.knowledge.entry import Entry
from app.knowledge.store import Store
from app.questions.asked import DAY_S
from app.questions.feedback import Feedbacks, FeedbackSelection, Opinion, Subject
from app.questions.secret import signing_secret
from app.questions.token import Tokens
from tests.questions.made import NOON, answer, asked, request

SUBJECT = Subject(request(1), "answered", "faq-a-b", "Where is the parcel of a@b.de?", "s", "web")


def test_feedback_is_redacted_and_can_be_changed_for_a_day(feedbacks: Feedbacks) -> None:
    given = feedbacks.give(SUBJECT, Opinion(False, "parcel", "wrong", "call +49 170 1234567"), NOON)
    assert (given.question, given.comment) == ("Where is the parcel of [email]?", "call [phone]")
    changed = feedbacks.give(SUBJECT, Opinion(True, "parcel"), NOON + DAY_S - 1)
    assert (changed.helpful, changed.reason, changed.comment) == (True, None, None)
    assert (changed.given_at, changed.changed_at) == (NOON, NOON + DAY_S - 1)
    with pytest.raises(Conflict, match="more than a day ago"):
        feedbacks.give(SUBJECT, Opinion(False, "parcel"), NOON + DAY_S + 1)
    assert list(feedbacks.stream()) == [changed]


def test_each_answer_of_a_request_and_the_reply_have_feedback_of_their_own(feedbacks: Feedbacks) -> None:
    for faq_id in ("a", "b", None):
        feedbacks.give(SUBJECT, Opinion(False, faq_id), NOON)
    feedbacks.give(SUBJECT._replace(request_id=request(2)), Opinion(True), NOON + 1)
    first = feedbacks.page(2)
    second = feedbacks.page(2, first.next_after)
    assert [given.faq_id for given in first.feedback + second.feedback] == [None, "b", "a", None]
    assert second.next_after is None
    assert len(feedbacks.page(selection=FeedbackSelection(helpful=False)).feedback) == 3
    assert len(feedbacks.page(selection=FeedbackSelection(faq_id="a")).feedback) == 1
    assert len(feedbacks.page(selection=FeedbackSelection(given_from=NOON + 1)).feedback) == 1


def test_a_correct_entry_must_exist(feedbacks: Feedbacks, database: Database) -> None:
    with pytest.raises(InputError, match="no entry `refund`"):
        feedbacks.give(SUBJECT, Opinion(False, correct_faq_id="refund"), NOON)
    Store(database).import_entries([Entry(id="refund", question="Refund?", answer="Yes.")], "append")
    feedbacks.give(SUBJECT, Opinion(False, correct_faq_id="refund"), NOON)
    assert [given.correct_faq_id for given in feedbacks.stream(FeedbackSelection(corrected=True))] == ["refund"]
    assert list(feedbacks.stream(FeedbackSelection(corrected=False))) == []


def test_all_replicas_have_the_same_secret(database: Database, url: str) -> None:
    other = Database.open(url)
    assert len(signing_secret(database)) == 32
    assert signing_secret(other) == signing_secret(database)
    other.close()


# --- tokens


def test_a_token_proves_the_reply() -> None:
    tokens = Tokens(b"secret")
    question = asked(7, "Where?", "ambiguous", (answer("a"), answer("ü")), session="s-1")
    for request_id in (request(7), f"{request(7)}-32"):
        facts = tokens.facts(tokens.sign(question._replace(request_id=request_id)), NOON + 8)
        assert (facts.request_id, facts.outcome, facts.release, facts.session) == (
            request_id,
            "ambiguous",
            "faq-a-b",
            "s-1",
        )
        assert (facts.is_of("Where?"), facts.is_of("where?")) == (True, False)
        assert [facts.has_shown(faq_id) for faq_id in ("a", "ü", "b")] == [True, True, False]


def test_a_token_of_another_secret_or_a_changed_one_is_refused() -> None:
    token = Tokens(b"secret").sign(asked(7))
    with pytest.raises(InputError, match="not valid"):
        Tokens(b"other").facts(token, NOON)
    changed = ("A" if token[i] != "A" else "B" for i in range(len(token)))
    broken = [token[:i] + letter + token[i + 1 :] for i, letter in enumerate(changed) if i < len(token.rstrip("=")) - 1]
    for text in (*broken, "", "é", token[:40], token + "AAAA"):
        with pytest.raises(InputError, match="not valid"):
            Tokens(b"secret").facts(text, NOON)


def test_a_token_is_valid_for_a_week() -> None:
    tokens = Tokens(b"secret")
    token = tokens.sign(asked(0))
    tokens.facts(token, NOON + 7 * DAY_S)
    with pytest.raises(Conflict, match="older than 7 days"):
        tokens.facts(token, NOON + 7 * DAY_S + 1)
