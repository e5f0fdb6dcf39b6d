"""The replies that are kept: bounded by bytes, without vectors, each under a key of its own."""

import tracemalloc

import numpy as np
import pytest

from app.index.filters import AnyOf, Range
from app.ranking.decision import Decision
from app.ranking.ranked import Ranked
from app.replies import Answer, Reply, ReplyCache, cache_key
from tests.hits import ranked_of

LIMIT = 2 * 2**20


def ranked(*numbers: int, phrasings: int = 20, passages: int = 0) -> Ranked:
    """Entries that no other reply shares a text with; the first `passages` of them have no phrasing."""
    payloads = [
        {
            "id": f"e{number}",
            "question": f"question {number}",
            "phrasings": [f"phrasing {i} of {number}" for i in range(phrasings)],
            "negatives": [],
            "answer": f"answer {number} " * 20,
            "metadata": {"category": f"c{number}", "tags": ["a", "b"]},
        }
        for number in numbers
    ]
    matched = [-1 if place < passages else 3 for place in range(len(numbers))]
    return ranked_of(payloads, [0.5] * len(numbers), matched)


def kept(number: int, answers: int = 50) -> Ranked:
    """What the cache keeps of a reply with so many answers."""
    return ranked(*range(number * answers, (number + 1) * answers))


def test_an_answer_keeps_the_phrasing_that_matched_and_no_vector() -> None:
    answer = Answer.of(next(iter(ranked(7))))
    assert (answer.id, answer.question, answer.matched_question) == ("e7", "question 7", "phrasing 3 of 7")
    assert not any(isinstance(value, np.ndarray) for value in answer)
    assert Answer.of(next(iter(ranked(7, passages=1)))).matched_question is None


def test_a_reply_holds_the_answers_that_were_decided_on_and_no_suggestions() -> None:
    replied = Reply.of(ranked(0, 1, 2), Decision("ambiguous", [0, 2]))
    assert (replied.status, [answer.id for answer in replied.answers]) == ("ambiguous", ["e0", "e2"])
    assert replied.suggestions == ()


def test_a_reply_without_an_answer_suggests_the_best_three_entries_that_have_a_question() -> None:
    replied = Reply.of(ranked(*range(6), passages=1), Decision("no_answer", []))
    assert (replied.answers, [answer.id for answer in replied.suggestions]) == ((), ["e1", "e2", "e3"])


def test_a_full_cache_takes_no_more_memory_than_its_bound() -> None:
    tracemalloc.start()
    try:
        cache = ReplyCache(LIMIT)
        before = tracemalloc.get_traced_memory()[0]
        for number in range(200):
            cache.put(cache_key(f"q{number}", 50, None, {}), kept(number))
        taken = tracemalloc.get_traced_memory()[0] - before
    finally:
        tracemalloc.stop()
    assert len(cache) < 200
    assert 0.9 * LIMIT < cache.bytes <= LIMIT
    assert 0.5 * LIMIT < taken <= LIMIT


def test_the_reply_unused_for_longest_goes_first() -> None:
    keys = [cache_key(f"q{number}", 3, None, {}) for number in range(3)]
    cache = ReplyCache(1)
    cache.put(keys[0], kept(0, 1))
    assert len(cache) == 0, "larger than the whole cache"
    measured = ReplyCache(LIMIT)
    measured.put(keys[0], kept(0, 1))
    cache = ReplyCache(2 * measured.bytes + 100)
    for key in keys[:2]:
        cache.put(key, kept(0, 1))
    entries = cache.get(keys[0])
    assert entries is not None
    assert list(entries) == list(kept(0, 1))
    cache.put(keys[2], kept(0, 1))
    assert [cache.get(key) is not None for key in keys] == [True, False, True]


@pytest.mark.parametrize(
    ("where", "other"),
    [
        ({"a": AnyOf((True,))}, {"a": AnyOf((1,))}),
        ({"a": AnyOf((False,))}, {"a": AnyOf((0,))}),
        ({"a": AnyOf(("1",))}, {"a": AnyOf((1,))}),
        ({"a": Range(1, None)}, {"a": Range(None, 1)}),
        ({"a": AnyOf(("x",))}, {"b": AnyOf(("x",))}),
        ({"a": AnyOf(("x",))}, {}),
    ],
)
def test_other_filters_have_another_key(where: dict[str, AnyOf | Range], other: dict[str, AnyOf | Range]) -> None:
    assert cache_key("q", 3, None, where) != cache_key("q", 3, None, other)


def test_the_order_of_filters_does_not_matter() -> None:
    first, second = ("a", AnyOf(("x",))), ("b", Range(1, 2))
    assert cache_key("q", 3, 0.5, dict([first, second])) == cache_key("q", 3, 0.5, dict([second, first]))
