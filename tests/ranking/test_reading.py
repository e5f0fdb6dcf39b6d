"""Which payloads a question reads: those that its reply shows, and others only where texts decide."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from app.arrays import Vectors
from app.index.candidates import Candidate, Question
from app.index.hits import Entries, Hits, Payload
from app.ranking.calibration import Calibration
from app.ranking.decision import decide
from app.ranking.ranked import Ranked
from app.ranking.ranking import Ranking
from app.replies import Reply
from tests.hits import hits_of, payload

AXES: Vectors = np.eye(4, dtype=np.float32)
CALIBRATION = Calibration(bias=-4, score_weight=8, margin_weight=5, threshold=0.5)
RANKING = Ranking(question_weight=0.75, calibration=CALIBRATION)
TEXT = "how do I send it back"


class Counting(Entries):
    """Entries that say which of them were read."""

    def __init__(self, entries: Sequence[Candidate]) -> None:
        super().__init__(entries)
        self.read: list[int] = []

    def payloads(self, numbers: Sequence[int]) -> list[Payload]:
        self.read += numbers
        return super().payloads(numbers)


def entry(name: str, similarity: float, **fields: object) -> Candidate:
    own = payload(id=name, question=name, phrasings=[name], answer=f"answer {name}", **fields)
    vectors = similarity * AXES[[0]]
    return Candidate(name, own, vectors, vectors, vectors[:0])


def asked(text: str, *entries: Candidate) -> tuple[Counting, Ranked]:
    """Entries ranked for a question, and where they were read."""
    question, source = Question(text, AXES[0]), Counting(entries)
    hits: Hits = replace(hits_of(question, entries), source=source)
    return source, RANKING.rank(question, hits)


def test_only_what_a_reply_shows_is_read() -> None:
    source, ranked = asked(TEXT, entry("far", 0.1), entry("best", 0.9), entry("near", 0.5))
    assert source.read == []
    reply = Reply.of(ranked, decide(ranked, 1, CALIBRATION))
    assert ([answer.id for answer in reply.answers], source.read) == (["best"], [1])


def test_entries_of_equal_scores_are_read_to_order_them_by_id() -> None:
    source, ranked = asked(
        TEXT, entry("far", 0.1), entry("c", 0.5), entry("a", 0.5), entry("best", 0.9), entry("b", 0.5)
    )
    assert sorted(source.read) == [1, 2, 4]
    assert ranked.ids() == ["best", "a", "b", "c", "far"]


@pytest.mark.parametrize("text", ["Best?", "best"])
def test_an_entry_is_read_where_a_key_says_that_a_phrasing_is_the_question(text: str) -> None:
    source, ranked = asked(text, entry("best", 0.2), entry("near", 0.5))
    assert source.read == [0]
    assert ranked.exact.tolist() == [True, False]


def test_what_a_cache_keeps_gives_the_same_reply() -> None:
    _, ranked = asked(TEXT, *(entry(f"e{number}", 0.9 - number / 10) for number in range(6)))
    kept, taken = ranked.take([0, 1, 2]).kept()
    assert list(kept) == list(ranked)[:3]
    assert taken > kept.rows.nbytes
