"""The reply to a question, and the LRU cache of replies. Knows no HTTP."""

from contextlib import suppress
from dataclasses import dataclass
from typing import Any, NamedTuple, Self

from cachetools import LRUCache

from app.index.filters import Filter
from app.index.memory import memory_bytes
from app.ranking.decision import Decision, Status
from app.ranking.ranked import Ranked, RankedEntry

Key = tuple[str, int, float | None, str]  # question, top_k, min_confidence, filters

SUGGESTIONS = 3
OVERHEAD = 350  # bytes of a cached reply beside its values: the objects and their place in the cache


class Answer(NamedTuple):
    """An entry as an answer or a suggestion. `matched_question`: its most similar phrasing, None for a passage."""

    id: str
    question: str
    matched_question: str | None
    answer: str
    metadata: dict[str, Any]
    score: float
    confidence: float
    follow_ups: list[dict[str, str]]  # `faq_id` and `question` of entries of the same release

    @classmethod
    def of(cls, ranked: RankedEntry) -> Self:
        """The answer of a ranked entry, without its other phrasings."""
        payload = ranked.payload
        return cls(
            id=ranked.id,
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
    """The reply to a question, best first. `answers` is empty exactly when `status` is `no_answer`."""

    status: Status
    answers: tuple[Answer, ...]
    suggestions: tuple[Answer, ...]

    @classmethod
    def of(cls, ranked: Ranked, decision: Decision) -> Self:
        """The reply to a question, from its entries, best first, and the decision about them; see `shown`."""
        entries = tuple(map(Answer.of, ranked.take(shown(ranked, decision))))
        return cls(decision.status, *((entries, ()) if decision.shown else ((), entries)))


def shown(ranked: Ranked, decision: Decision) -> list[int]:
    """The places of the entries in a reply, best first.

    Without an answer these are suggestions: the best three entries that have a question; a passage has none.
    """
    return decision.shown or (ranked.matched >= 0).nonzero()[0][:SUGGESTIONS].tolist()


class ReplyCache:
    """An LRU cache of what is in the replies of one release, bounded by bytes. For one thread.

    It keeps numbers and scores of entries. Texts are read again for each reply, unless the release is on a server.
    """

    def __init__(self, limit: int) -> None:
        """`limit`: bytes; 0 keeps nothing."""
        self._kept: LRUCache[Key, tuple[Ranked, int]] = LRUCache(limit, getsizeof=lambda kept: kept[1])

    def __len__(self) -> int:
        """The number of cached replies."""
        return len(self._kept)

    @property
    def bytes(self) -> int:
        """An upper estimate of the memory, in bytes: a text that several replies share counts for each."""
        return int(self._kept.currsize)

    def get(self, key: Key) -> Ranked | None:
        """The entries, best first, which become the most recently used; None where they are not cached."""
        kept = self._kept.get(key)
        return kept[0] if kept else None

    def put(self, key: Key, ranked: Ranked) -> None:
        """Cache entries in place of the least recently used ones. What is larger than the whole cache is not cached."""
        kept, held = ranked.kept()
        with suppress(ValueError):
            self._kept[key] = kept, OVERHEAD + memory_bytes(key) + held


def cache_key(question: str, top_k: int, min_confidence: float | None, where: Filter) -> Key:
    """The key of a question with its options. Filters on `true` and on `1` have different keys."""
    return question, top_k, min_confidence, repr(sorted(where.items())) if where else ""
