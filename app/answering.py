"""question -> encode -> search -> rank -> decide. Knows no HTTP."""

import asyncio
import os
import time
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Literal

from app.retrieval.batching import Batcher, Observer
from app.retrieval.bundle import Bundle
from app.retrieval.encoder import Encoder
from app.retrieval.filters import Where
from app.retrieval.index import Index
from app.retrieval.memory import Memory
from app.retrieval.ranking import Candidate, Ranked, Ranking, Vectors

Status = Literal["answered", "ambiguous", "no_answer"]

CANDIDATES = 20  # of each kind that the index is asked for, at the least: enough that ranking loses none of the top ten
SUGGESTIONS = 3
REMEMBERED = 4096  # answered questions
ENCODERS = 2  # at most; each is a thread, and from the third on the event loop is what limits
CLOSE = 0.85  # the runner-up's confidence, as a share of the best's, from which the two cannot be told apart


@dataclass(frozen=True, slots=True)
class Answered:
    """What became of one question. `answers` is empty exactly when `status` is `no_answer`."""

    status: Status
    answers: list[Ranked]
    suggestions: list[Ranked]


class Answerer:
    """One bundle with one index of its vectors: everything needed to answer, and never exchanged in part."""

    def __init__(self, bundle: Bundle, index: Index, *, threads: int = 0, observer: Observer | None = None) -> None:
        """Loads the encoder, `threads` times; 0: as often as pays. Raises BundleError when its graph cannot be run."""
        self.bundle = bundle
        self.index = index
        self._observer = observer
        self._answers: Memory[Hashable, Answered] = Memory(REMEMBERED)  # a release never changes, nor do its answers
        first = Encoder(bundle, threads=1)
        others = (threads or min(ENCODERS, os.cpu_count() or 1)) - 1
        self._batcher = Batcher([first, *(Encoder(bundle, like=first) for _ in range(others))], observer)

    @property
    def release(self) -> str:
        """The name of the release that answers."""
        return self.index.record.name

    async def ask(
        self, questions: Sequence[str], top_k: int = 3, min_confidence: float | None = None, where: Where | None = None
    ) -> list[Answered]:
        """Answer each question. Raises InputError for a filter on an unknown field, IndexUnavailable."""
        options = top_k, min_confidence, frozenset((where or {}).items())
        known = {one: found for one in questions if (found := self._answers.get((one, *options)))}
        if self._observer and known:
            self._observer.remembered(len(known))
        new = [one for one in dict.fromkeys(questions) if one not in known]
        rankings = await self.rank(new, max(CANDIDATES, 2 * top_k), where or {}) if new else []
        threshold = self.bundle.ranking.calibration.threshold if min_confidence is None else min_confidence
        for question, ranked in zip(new, rankings, strict=True):
            known[question] = decide(ranked, top_k, threshold)
            self._answers.put((question, *options), known[question])
        return [known[question] for question in questions]

    async def rank(self, questions: Sequence[str], limit: int, where: Where) -> list[list[Ranked]]:
        """All candidates of each question, best first."""
        vectors = await self.encode(questions)
        ranking: Ranking = self.bundle.ranking
        found = await asyncio.gather(*(self._search(vector, limit, where) for vector in vectors))
        return [ranking.rank(vector, candidates) for vector, candidates in zip(vectors, found, strict=True)]

    async def encode(self, questions: Sequence[str]) -> Vectors:
        """(n, dimension), together with what others ask at the same time."""
        return await self._batcher.encode(questions)

    async def _search(self, vector: Vectors, limit: int, where: Where) -> list[Candidate]:
        start = time.perf_counter()
        found = await self.index.search(vector, limit, where)
        if self._observer:
            self._observer.searched(time.perf_counter() - start)
        return found

    async def close(self) -> None:
        """Release the index and the encoder; idempotent."""
        self._batcher.close()
        await self.index.close()


def decide(ranked: Sequence[Ranked], top_k: int, threshold: float) -> Answered:
    """Answer with what is sure enough, say that two are too close to tell, or say that there is no answer.

    A threshold of 0 never abstains, as long as there is any entry at all.
    """
    sure = [one for one in ranked if one.confidence >= threshold]
    if not sure:
        known = [one for one in ranked if one.matched is not None]  # a passage has no question to suggest
        return Answered("no_answer", [], known[:SUGGESTIONS])
    if _too_close(sure):
        return Answered("ambiguous", sure[: max(top_k, 2)], [])
    return Answered("answered", sure[:top_k], [])


def _too_close(sure: Sequence[Ranked]) -> bool:
    """Whether the best two differ in what they answer and hardly in how sure one may be of them."""
    if len(sure) < 2:
        return False
    first, second = sure[:2]
    same = first.candidate.payload["answer"] == second.candidate.payload["answer"]
    return not same and second.confidence >= CLOSE * first.confidence
