"""Clusters of questions that failed: their order, what is left out, and how they stay as they are."""

import numpy as np
import pytest
from sqlalchemy import select

from app.arrays import Vectors
from app.errors import InputError
from app.knowledge.database import Database
from app.questions.asked import DAY_S
from app.questions.feedback import Feedbacks, Opinion, Subject
from app.questions.figures import Period
from app.questions.groups import Groups, joined
from app.questions.log import QuestionLog
from app.questions.popular import question_key
from app.questions.reviewing import Failed, Review, Reviews
from app.questions.selection import normalized
from app.questions.tables import GroupRow
from app.questions.unanswered import Cluster, clusters, key_of_name, name_of, page_of
from tests.questions.made import NOON, asked, request

PERIOD = Period(NOON - DAY_S, NOON + DAY_S)


def failed(key: int, times: int = 1, last_asked: float = NOON) -> Failed:
    return Failed(key, f"question {key}", times, 0, 0, last_asked)


def keys(listed: list[Cluster]) -> list[list[int]]:
    return [[question.key for question in cluster.questions] for cluster in listed]


def key(text: str) -> int:
    return question_key(normalized(text))


def test_large_clusters_come_first_and_lose_half_their_weight_in_two_weeks() -> None:
    old, two, single = [failed(1, 9, NOON - 60 * DAY_S)], [failed(2), failed(3)], [failed(4)]
    assert keys(clusters([*old, *two, *single], {3: 2}, {})) == [[2, 3], [4], [1]]
    half = clusters([failed(1, 8, NOON - 14 * DAY_S), failed(2, 4)], {}, {})
    assert half[0].rank == pytest.approx(half[1].rank)


def test_a_dismissed_cluster_returns_when_it_has_doubled_also_by_new_questions() -> None:
    groups, dismissed = {1: 1, 2: 1, 3: 1}, {1: Review("dismiss", 2), 2: Review("dismiss", 1)}
    grown = [failed(1, 2), failed(2, 1), failed(3, 2)]
    assert clusters(grown, groups, dismissed) == []
    assert keys(clusters(grown, groups, dismissed, dismissed=True)) == [[1, 2, 3]]
    assert keys(clusters([*grown[:2], failed(3, 3)], groups, dismissed)) == [[1, 2, 3]]


def test_accepted_questions_leave_their_cluster_and_return_alone_when_they_failed_twice_as_often() -> None:
    accepted = {1: Review("alternatives", 2)}
    assert keys(clusters([failed(1, 3), failed(2)], {2: 1}, accepted)) == [[2]]
    assert keys(clusters([failed(1, 4), failed(2)], {2: 1}, accepted)) == [[1, 2]]


def test_pages_hold_every_cluster_once_and_strangers_cursors_are_refused() -> None:
    ranked = clusters([failed(number, 1 + number % 3) for number in range(1, 8)], {}, {})
    seen, after = list[Cluster](), None
    while True:
        page = page_of(ranked, 3, after)
        seen, after = [*seen, *page.clusters], page.next_after
        if after is None:
            break
    assert (seen, page.total) == (ranked, 7)
    with pytest.raises(InputError):
        page_of(ranked, 3, "x")


def test_a_version_names_the_questions_of_a_cluster_and_not_how_often_they_failed() -> None:
    (cluster,) = clusters([failed(1), failed(2)], {2: 1}, {})
    assert cluster._replace(questions=(failed(2, 9), failed(1, 3))).version == cluster.version
    assert cluster._replace(questions=(failed(1),)).version != cluster.version


def test_names_are_16_hex_digits_of_63_bits() -> None:
    assert key_of_name(name_of(2**63 - 1)) == 2**63 - 1
    for name in ("", "f" * 16, "1" * 15, "x" * 16):
        with pytest.raises(InputError):
            key_of_name(name)


def test_what_failed_is_counted_by_question_with_unhelpful_answers(
    database: Database, log: QuestionLog, feedbacks: Feedbacks
) -> None:
    log.write([asked(1, "A wolf?", "no_answer", ()), asked(2, "a wolf", "ambiguous"), asked(3, "Fine?")])
    for number, question in enumerate(("Fine?", "only here")):
        subject = Subject(request(number), "answered", "faq-a-b", question, None, None)
        feedbacks.give(subject, Opinion(helpful=False), NOON + number)
    failed = {question.key: question for question in Reviews(database).failed(PERIOD)}
    wolf, fine, unlogged = (failed[key(text)] for text in ("a wolf", "fine", "only here"))
    assert (wolf.no_answer, wolf.ambiguous, wolf.unhelpful, wolf.times) == (1, 1, 0, 2)
    assert (fine.times, unlogged.times, len(failed)) == (1, 1, 3)


def test_decisions_are_kept_replaced_and_undone(database: Database, log: QuestionLog) -> None:
    log.write([asked(1, "A wolf?", "no_answer", ()), asked(2, "Spam?", "no_answer", ())])
    reviews = Reviews(database)
    both = reviews.failed(PERIOD)
    reviews.finish(both, "alternatives", "ann", NOON)
    reviews.finish(both[:1], "dismiss", "ben", NOON)
    assert reviews.decisions() == {both[0].key: Review("dismiss", 1), both[1].key: Review("alternatives", 1)}
    assert reviews.dismissed_texts() == [both[0].question]
    assert reviews.reopen([both[0].key, 7]) == 1
    assert (reviews.dismissed_texts(), len(reviews.decisions())) == ([], 1)


def turned(*degrees: float) -> Vectors:
    """Vectors in a plane."""
    angles = np.radians(np.array(degrees))
    return np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)


def test_new_questions_join_the_clusters_that_are_known_by_name() -> None:
    first = joined([30, 10, 20], turned(0, 5, 120), {})
    assert first == {30: 30, 10: 30, 20: 20}
    known = {10: 30, 20: 20}
    assert joined([10, 20, 40, 50, 60], turned(5, 120, 2, 125, 240), known) == {40: 30, 50: 20, 60: 60}


def test_clusters_are_kept_for_one_bundle_and_the_first_replica_that_writes_them_wins(database: Database) -> None:
    groups = Groups(database)
    groups.keep({1: 1, 2: 1}, "one")
    groups.keep({2: 2, 3: 2}, "one")
    assert groups.of("one") == groups.of() == {1: 1, 2: 1, 3: 2}
    groups.keep({3: 3}, "two")
    assert (groups.of("one"), groups.of()) == ({}, {3: 3})


def test_an_erased_question_leaves_nothing_behind(database: Database, log: QuestionLog) -> None:
    log.write([asked(1, "A wolf?", "no_answer", (), session="s"), asked(2, "Spam?", "no_answer", ())])
    Groups(database).keep({key("A wolf?"): 1, key("Spam?"): 1}, "one")
    log.erase("s")
    with database.read() as connection:
        assert list(connection.scalars(select(GroupRow.key))) == [key("Spam?")]
