"""question -> encode -> search -> rank -> decide. Knows no HTTP."""

import asyncio
import os
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Literal

from app.replies import Answer, Reply, ReplyCache, Status, cache_key
from app.retrieval.batching import Batcher, Observer
from app.retrieval.bundle import Bundle
from app.retrieval.encoder import Encoder
from app.retrieval.filters import Where
from app.retrieval.index import Index
from app.retrieval.ranking import Question, Ranked, Ranking, Vectors
from app.retrieval.reranker import CANDIDATES as RERANKED
from app.retrieval.reranker import Reranker

Rerank = Literal["off", "on", "auto"]

CANDIDATES = 20  # of each kind that the index is asked for, at the least: enough that ranking loses none of the top ten
SUGGESTIONS = 3
SURE = 0.9  # from that confidence on, a reranker that is on `auto` is not asked
CACHE_BYTES = 64 * 2**20  # of replies; some 20,000 with three answers of a few hundred characters
RERANKER_THREADS = 4  # at most; it shares the cores with the encoders and the event loop
ENCODERS = 2  # at most; each is a thread, and from the third on the event loop is what limits


@dataclass(frozen=True, slots=True)
class Answered:
    """The decision about one question. `answers` is empty exactly when `status` is `no_answer`."""

    status: Status
    answers: list[Ranked]
    suggestions: list[Ranked]


class Answerer:
    """One bundle with one index of its vectors: everything needed to answer, and never exchanged in part."""

    def __init__(
        self,
        bundle: Bundle,
        index: Index,
        *,
        threads: int = 0,
        rerank: Rerank = "off",
        observer: Observer | None = None,
        cache_bytes: int = CACHE_BYTES,
    ) -> None:
        """Loads the encoder, `threads` times (0: as often as pays), and the reranker where there is one to use.

        `cache_bytes` bounds the memory for replies that were given before. Raises BundleError if a graph cannot be run.
        """
        self.bundle = bundle
        self.index = index
        self.ranking = ranking_of(bundle, index)
        self._observer = observer
        self._replies = ReplyCache(cache_bytes)  # a release never changes, nor do its replies
        first = Encoder(bundle, threads=1)
        others = (threads or min(ENCODERS, os.cpu_count() or 1)) - 1
        self._batcher = Batcher([first, *(Encoder(bundle, like=first) for _ in range(others))], observer)
        usable = rerank != "off" and self.ranking.reranked is not None
        cores = min(RERANKER_THREADS, os.cpu_count() or 1)
        self._reranker = Reranker.of(bundle, threads=threads or cores) if usable else None
        self._reranks_below = SURE if rerank == "auto" else 2.0
        self._rerank_thread = ThreadPoolExecutor(1, thread_name_prefix="reranker")

    @property
    def release(self) -> str:
        """The name of the release that answers."""
        return self.index.record.name

    async def ask(
        self, questions: Sequence[str], top_k: int = 3, min_confidence: float | None = None, where: Where | None = None
    ) -> list[Reply]:
        """Answer each question. Raises InputError for a filter on an unknown field, IndexUnavailable."""
        where = where or {}
        keys = {question: cache_key(question, top_k, min_confidence, where) for question in questions}
        known = {question: reply for question, key in keys.items() if (reply := self._replies.get(key))}
        if self._observer and known:
            self._observer.remembered(len(known))
        new = [question for question in keys if question not in known]
        rankings = await self.rank(new, max(CANDIDATES, 2 * top_k), where) if new else []
        for question, ranked in zip(new, rankings, strict=True):
            known[question] = _reply(self._decide(ranked, top_k, min_confidence))
            self._replies.put(keys[question], known[question])
        return [known[question] for question in questions]

    async def rank(self, questions: Sequence[str], limit: int, where: Where) -> list[list[Ranked]]:
        """All candidates of each question, best first."""
        vectors = await self.encode(questions)
        asked = [Question(text, vector) for text, vector in zip(questions, vectors, strict=True)]
        if len(asked) == 1:  # as nearly always: without a task of its own
            return [await self._ranked(asked[0], limit, where)]
        return await asyncio.gather(*(self._ranked(question, limit, where) for question in asked))

    async def encode(self, questions: Sequence[str]) -> Vectors:
        """(n, dimension), together with what others ask at the same time."""
        return await self._batcher.encode(questions)

    async def close(self) -> None:
        """Release the index, the encoder and the reranker; idempotent. Waits for their threads, off the event loop."""
        await self._batcher.close()
        await asyncio.to_thread(self._rerank_thread.shutdown, wait=True)
        await self.index.close()

    async def _ranked(self, question: Question, limit: int, where: Where) -> list[Ranked]:
        start = time.perf_counter()
        found = await self.index.search(question, limit, where)
        if self._observer:
            self._observer.searched(time.perf_counter() - start)
        ranked = self.ranking.rank(question, found)
        reranker = self._reranker
        if reranker is None or not ranked or ranked[0].confidence >= self._reranks_below:
            return ranked
        texts = reranker.texts(one.candidate.payload for one in ranked[:RERANKED])
        loop = asyncio.get_running_loop()
        scores = await loop.run_in_executor(self._rerank_thread, reranker.scores, question.text, texts)
        return self.ranking.rerank(ranked, scores)

    def _decide(self, ranked: Sequence[Ranked], top_k: int, min_confidence: float | None) -> Answered:
        """By the threshold of whichever calibration made the confidences."""
        again = self.ranking.reranked if ranked and ranked[0].reranked else None
        calibration = again or self.ranking.calibration
        threshold = calibration.threshold if min_confidence is None else min_confidence
        return decide(ranked, top_k, threshold, calibration.close)


def _reply(answered: Answered) -> Reply:
    return Reply(answered.status, tuple(map(Answer.of, answered.answers)), tuple(map(Answer.of, answered.suggestions)))


def ranking_of(bundle: Bundle, index: Index) -> Ranking:
    """The bundle's ranking, as sure as the release's own calibration says where it has one."""
    if index.calibrated is None:
        return bundle.ranking
    anew = {"calibration": index.calibrated.calibration, "reranked": index.calibrated.reranked}
    return bundle.ranking.model_copy(update={name: one for name, one in anew.items() if one is not None})


def decide(ranked: Sequence[Ranked], top_k: int, threshold: float, close: float) -> Answered:
    """Answer with what is sure enough, say that two are too close to tell, or say that there is no answer.

    A threshold of 0 never abstains, as long as there is any entry at all. Two are too close when the runner-up's
    confidence is at least `close` times the best's.
    """
    sure = [one for one in ranked if one.confidence >= threshold]
    if not sure:
        known = [one for one in ranked if one.matched is not None]  # a passage has no question to suggest
        return Answered("no_answer", [], known[:SUGGESTIONS])
    if _too_close(sure, close):
        return Answered("ambiguous", sure[: max(top_k, 2)], [])
    return Answered("answered", sure[:top_k], [])


def _too_close(sure: Sequence[Ranked], close: float) -> bool:
    """Whether the best two differ in what they answer and hardly in how sure one may be of them."""
    if len(sure) < 2:
        return False
    first, second = sure[:2]
    same = first.candidate.payload["answer"] == second.candidate.payload["answer"]
    return not same and second.confidence >= close * first.confidence
