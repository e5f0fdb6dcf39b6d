"""question -> encode -> search -> rank -> decide. Knows no HTTP."""

import asyncio
import os
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Literal

from app.arrays import Vectors
from app.encoding.batching import Batcher, Observer
from app.encoding.bundle import Bundle
from app.encoding.encoder import Encoder
from app.index.candidates import Question
from app.index.filters import Filter
from app.index.protocol import Index
from app.index.words import answer_of
from app.ranking.calibration import Calibrated, Calibration, calibrated_of
from app.ranking.decision import Choices, Status, choose
from app.ranking.ranking import Ranked, Ranking
from app.ranking.reranker import CANDIDATES as RERANKED
from app.ranking.reranker import Reranker
from app.replies import Answer, Reply, ReplyCache, cache_key

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
        self.calibrated = calibrated_of(index.calibration, index.record.name)
        self.ranking = ranking_of(bundle, self.calibrated, index.record.unanswerable_share)
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
            self._observer.remembered(len(known))
        new = [question for question in keys if question not in known]
        rankings = await self.rank(new, max(CANDIDATES, 2 * top_k), where) if new else []
        for question, ranked in zip(new, rankings, strict=True):
            known[question] = _reply(self._decide(ranked, top_k, min_confidence))
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

    def _decide(self, ranked: Sequence[Ranked], top_k: int, min_confidence: float | None) -> Answered:
        """By the calibration that made the confidences."""
        again = self.ranking.reranked if ranked and ranked[0].reranked else None
        return decide(ranked, top_k, again or self.ranking.calibration, min_confidence)


def _reply(answered: Answered) -> Reply:
    return Reply(answered.status, tuple(map(Answer.of, answered.answers)), tuple(map(Answer.of, answered.suggestions)))


def ranking_of(bundle: Bundle, calibrated: Calibrated | None, share: float | None = None) -> Ranking:
    """The bundle's ranking, with the release's own calibrations where it has them.

    `share`: that of unanswerable questions, which the bundle's calibration is then adjusted to.
    """
    ranking = Ranking.of(bundle)
    if calibrated is None or calibrated.calibration is None:
        adjusted = ranking.calibration.at_share(share or ranking.unanswerable_share)
        return ranking.model_copy(update={"calibration": adjusted})
    own = {"calibration": calibrated.calibration, "reranked": calibrated.reranked}
    return ranking.model_copy(update={name: calibration for name, calibration in own.items() if calibration})


def decide(
    ranked: Sequence[Ranked], top_k: int, calibration: Calibration, min_confidence: float | None = None
) -> Answered:
    """What to reply with `ranked`, best first: see `choose`. Without an answer, up to three questions as suggestions.

    `calibration` is the one that made the confidences.
    """
    answers = [answer_of(candidate.candidate.payload) for candidate in ranked]
    choices = Choices([candidate.confidence for candidate in ranked], answers, [entry.exact for entry in ranked])
    status, shown = choose(choices, top_k, calibration, min_confidence)
    if status == "no_answer":
        with_question = [candidate for candidate in ranked if candidate.matched is not None]  # a passage has none
        return Answered(status, [], with_question[:SUGGESTIONS])
    return Answered(status, [ranked[i] for i in shown], [])
