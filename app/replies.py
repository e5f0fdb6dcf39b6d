"""The reply to a question, and the LRU cache of replies. Knows no HTTP."""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import islice
from typing import Any, NamedTuple, Self

from cachetools import LRUCache

from app.index.filters import Filter
from app.index.memory import memory_bytes
from app.ranking.decision import Decision, Status
from app.ranking.ranking import Ranked

Key = tuple[str, int, float | None, str]  # question, top_k, min_confidence, filters

SUGGESTIONS = 3
OVERHEAD = 400  # bytes of a cached reply beside its values: the objects and their place in the cache


class Answer(NamedTuple):
    """An entry as an answer or a suggestion. `matched_question`: its most similar phrasing, None for a passage."""

    id: str
    question: str
    matched_question: str | None
    answer: str
    metadata: dict[str, Any]
    score: float
    confidence: float

    @classmethod
    def of(cls, ranked: Ranked) -> Self:
        """The answer of a ranked candidate, without its vectors and its other phrasings."""
        payload = ranked.candidate.payload
        return cls(
            id=ranked.candidate.id,
            question=payload["question"],
            matched_question=None if ranked.matched is None else payload["phrasings"][ranked.matched],
            answer=payload["answer"],
            metadata=payload["metadata"],
            score=ranked.score,
            confidence=ranked.confidence,
        )


@dataclass(frozen=True, slots=True)
class Reply:
    """The reply to a question, best first. `answers` is empty exactly when `status` is `no_answer`."""

    status: Status
    answers: tuple[Answer, ...]
    suggestions: tuple[Answer, ...]

    @classmethod
    def of(cls, ranked: Sequence[Ranked], decision: Decision) -> Self:
        """The reply to a question, from its candidates, best first, and the decision about them.

        Without an answer it suggests the best three entries that have a question; a passage has none.
        """
        answers = tuple(Answer.of(ranked[position]) for position in decision.shown)
        with_question = () if answers else (candidate for candidate in ranked if candidate.matched is not None)
        return cls(decision.status, answers, tuple(map(Answer.of, islice(with_question, SUGGESTIONS))))


class ReplyCache:
    """An LRU cache of the replies of one release, bounded by bytes. For one thread."""

    def __init__(self, limit: int) -> None:
        """`limit`: bytes; 0 keeps no reply."""
        self._replies: LRUCache[Key, tuple[Reply, int]] = LRUCache(limit, getsizeof=lambda entry: entry[1])

    def __len__(self) -> int:
        """The number of cached replies."""
        return len(self._replies)

    @property
    def bytes(self) -> int:
        """An upper estimate of the memory, in bytes: a text that several replies share counts for each."""
        return int(self._replies.currsize)

    def get(self, key: Key) -> Reply | None:
        """The reply, which becomes the most recently used; None where it is not cached."""
        entry = self._replies.get(key)
        return entry[0] if entry else None

    def put(self, key: Key, reply: Reply) -> None:
        """Cache a reply in place of the least recently used ones. One larger than the whole cache is not cached."""
        with suppress(ValueError):
            self._replies[key] = reply, _size(key, reply)


def cache_key(question: str, top_k: int, min_confidence: float | None, where: Filter) -> Key:
    """The key of a question with its options. Filters on `true` and on `1` have different keys."""
    return question, top_k, min_confidence, repr(sorted(where.items())) if where else ""


def _size(key: Key, reply: Reply) -> int:
    """An upper estimate, in bytes."""
    return OVERHEAD + memory_bytes(key) + sum(map(memory_bytes, (*reply.answers, *reply.suggestions)))
