"""question -> encode -> search -> rank -> decide. Knows no HTTP."""

import asyncio
import os
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Literal

from app.arrays import Vectors
from app.encoding.batching import Batcher, Observer
from app.encoding.bundle import Bundle
from app.encoding.encoder import Encoder
from app.index.candidates import Question
from app.index.filters import Filter
from app.index.protocol import Index
from app.ranking.calibration import Calibrated, calibrated_of
from app.ranking.decision import decide
from app.ranking.ranking import Ranked, Ranking
from app.ranking.reranker import CANDIDATES as RERANKED
from app.ranking.reranker import Reranker
from app.replies import Reply, ReplyCache, cache_key

Rerank = Literal["off", "on", "auto"]

CANDIDATES = 20  # of each kind that the index is asked for, at the least: enough that ranking loses none of the top ten
SURE = 0.9  # from that confidence on, a reranker that is on `auto` is not asked
CACHE_BYTES = 64 * 2**20  # of replies; some 20,000 with three answers of a few hundred characters
RERANKER_THREADS = 4  # at most; it shares the cores with the encoders and the event loop
ENCODERS = 2  # at most; each is a thread, and from the third on the event loop is what limits


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
        self.calibrated = calibrated_of(index.calibration, index.record.name)
        self.ranking = ranking_of(bundle, self.calibrated)
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
        self, questions: Sequence[str], top_k: int = 3, min_confidence: float | None = None, where: Filter | None = None
    ) -> list[Reply]:
        """Answer each question. Raises InputError for a filter on an unknown field, IndexUnavailable."""
        where = where or {}
        keys = {question: cache_key(question, top_k, min_confidence, where) for question in questions}
        known = {question: reply for question, key in keys.items() if (reply := self._replies.get(key))}
        if self._observer and known:
            self._observer.cached(len(known))
        new = [question for question in keys if question not in known]
        rankings = await self.rank(new, max(CANDIDATES, 2 * top_k), where) if new else []
        for question, ranked in zip(new, rankings, strict=True):
            known[question] = self._reply(ranked, top_k, min_confidence)
            self._replies.put(keys[question], known[question])
        return [known[question] for question in questions]

    async def rank(self, questions: Sequence[str], limit: int, where: Filter) -> list[list[Ranked]]:
        """All candidates of each question, best first."""
        vectors = await self.encode(questions)
        question = self.index.record.question
        asked = [question(text, vector) for text, vector in zip(questions, vectors, strict=True)]
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

    async def _ranked(self, question: Question, limit: int, where: Filter) -> list[Ranked]:
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

    def _reply(self, ranked: Sequence[Ranked], top_k: int, min_confidence: float | None) -> Reply:
        """Decided by the calibration that made the confidences."""
        reranked = ranked and ranked[0].reranked and self.ranking.reranked
        return Reply.of(ranked, decide(ranked, top_k, reranked or self.ranking.calibration, min_confidence))


def ranking_of(bundle: Bundle, calibrated: Calibrated | None) -> Ranking:
    """The bundle's ranking, with the release's own calibrations where it has them."""
    ranking = Ranking.of(bundle)
    if calibrated is None:
        return ranking
    own = {"calibration": calibrated.calibration, "reranked": calibrated.reranked}
    return ranking.model_copy(update={name: calibration for name, calibration in own.items() if calibration})
