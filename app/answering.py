"""question -> encode -> search -> rank -> decide. Knows no HTTP."""

import asyncio
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Literal

from app.retrieval.bundle import Bundle
from app.retrieval.encoder import Encoder
from app.retrieval.filters import Where
from app.retrieval.index import Index
from app.retrieval.ranking import Ranked, Ranking, Vectors

Status = Literal["answered", "ambiguous", "no_answer"]

CANDIDATES = 20  # of each kind that the index is asked for, at the least: enough that ranking loses none of the top ten
SUGGESTIONS = 3
CLOSE = 0.85  # the runner-up's confidence, as a share of the best's, from which the two cannot be told apart


@dataclass(frozen=True, slots=True)
class Answered:
    """What became of one question. `answers` is empty exactly when `status` is `no_answer`."""

    status: Status
    answers: list[Ranked]
    suggestions: list[Ranked]


class Answerer:
    """One bundle with one index of its vectors: everything needed to answer, and never exchanged in part."""

    def __init__(self, bundle: Bundle, index: Index, *, threads: int = 0) -> None:
        """Loads the encoder. Raises BundleError when its graph cannot be run."""
        self.bundle = bundle
        self.index = index
        self._encoder = Encoder(bundle, threads=threads)
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="encoder")

    @property
    def release(self) -> str:
        """The name of the release that answers."""
        return self.index.record.name

    async def ask(
        self, questions: Sequence[str], top_k: int = 3, min_confidence: float | None = None, where: Where | None = None
    ) -> list[Answered]:
        """Answer each question. Raises InputError for a filter on an unknown field, IndexUnavailable."""
        rankings = await self.rank(questions, max(CANDIDATES, 2 * top_k), where or {})
        threshold = self.bundle.ranking.calibration.threshold if min_confidence is None else min_confidence
        return [decide(ranked, top_k, threshold) for ranked in rankings]

    async def rank(self, questions: Sequence[str], limit: int, where: Where) -> list[list[Ranked]]:
        """All candidates of each question, best first."""
        vectors = await self.encode(questions)
        ranking: Ranking = self.bundle.ranking
        found = await asyncio.gather(*(self.index.search(vector, limit, where) for vector in vectors))
        return [ranking.rank(vector, candidates) for vector, candidates in zip(vectors, found, strict=True)]

    async def encode(self, questions: Sequence[str]) -> Vectors:
        """(n, dimension), on the one thread that owns the encoder."""
        return await asyncio.get_running_loop().run_in_executor(self._thread, self._encoder.questions, questions)

    async def close(self) -> None:
        """Release the index and the encoder; idempotent."""
        self._thread.shutdown(wait=True)
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
