"""What one question gets, and the LRU cache of it. Knows neither HTTP nor vectors."""

from contextlib import suppress
from dataclasses import dataclass
from typing import Any, NamedTuple, Self

from cachetools import LRUCache

from app.index.filters import Filter
from app.index.sizes import bytes_of
from app.ranking.decision import Status
from app.ranking.ranking import Ranked

Key = tuple[str, int, float | None, str]  # question, top_k, min_confidence, filters

OVERHEAD = 400  # bytes of a cached reply beside its texts: the key, the objects, their places in the cache


class Answer(NamedTuple):
    """One entry as an answer or a suggestion. `matched_question` is the best phrasing, None for a passage."""

    id: str
    question: str
    matched_question: str | None
    answer: str
    metadata: dict[str, Any]
    score: float
    confidence: float
    follow_ups: list[dict[str, str]]  # `faq_id` and `question` of entries of the same release

    @classmethod
    def of(cls, ranked: Ranked) -> Self:
        """The entry of a ranked candidate, without its vectors and its other phrasings."""
        payload = ranked.candidate.payload
        return cls(
            id=ranked.candidate.id,
            question=payload["question"],
            matched_question=None if ranked.matched is None else payload["phrasings"][ranked.matched],
            answer=payload["answer"],
            metadata=payload["metadata"],
            score=ranked.score,
            confidence=ranked.confidence,
            follow_ups=payload.get("follow_ups", []),
        )


@dataclass(frozen=True, slots=True)
class Reply:
    """What one question gets, best first. `answers` is empty exactly when `status` is `no_answer`."""

    status: Status
    answers: tuple[Answer, ...]
    suggestions: tuple[Answer, ...]


class ReplyCache:
    """The replies of one release that were given last, in at most so many bytes. For one thread."""

    def __init__(self, limit: int) -> None:
        """`limit`: bytes; 0 keeps nothing."""
        self._replies: LRUCache[Key, tuple[Reply, int]] = LRUCache(limit, getsizeof=lambda kept: kept[1])

    def __len__(self) -> int:
        """Replies that are kept."""
        return len(self._replies)

    @property
    def bytes(self) -> int:
        """An upper estimate of the memory taken, in bytes: a text that several replies share counts in each."""
        return int(self._replies.currsize)

    def get(self, key: Key) -> Reply | None:
        """The reply, which becomes the one used last; None where there is none."""
        kept = self._replies.get(key)
        return kept[0] if kept else None

    def put(self, key: Key, reply: Reply) -> None:
        """Keep a reply; the ones unused for longest go. One larger than the whole cache is not kept."""
        with suppress(ValueError):
            self._replies[key] = reply, _size(key, reply)


def cache_key(question: str, top_k: int, min_confidence: float | None, where: Filter) -> Key:
    """The key of one question with its options; a filter on `true` and one on `1` have different keys."""
    return question, top_k, min_confidence, repr(sorted(where.items())) if where else ""


def _size(key: Key, reply: Reply) -> int:
    """Upper estimate in bytes."""
    return OVERHEAD + bytes_of(key) + sum(map(bytes_of, (*reply.answers, *reply.suggestions)))
