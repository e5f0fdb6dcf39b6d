"""question -> encode -> search -> rank -> decide -> reply. Knows no HTTP."""

import asyncio
import copy
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Literal, NamedTuple

from app import cores
from app.arrays import Vectors
from app.encoding.batching import Batcher, Observer
from app.encoding.bundle import Bundle
from app.encoding.encoder import Encoder
from app.index.candidates import Question
from app.index.filters import Filter
from app.index.protocol import Index
from app.ranking.adaptation import Adaptation, Asked, Mode
from app.ranking.calibration import Calibrated, calibrated_of
from app.ranking.decision import Decision, decide
from app.ranking.explaining import Explanation, explanation
from app.ranking.ranked import Ranked
from app.ranking.ranking import Ranking
from app.ranking.reranker import CANDIDATES as RERANKED
from app.ranking.reranker import Reranker
from app.replies import Reply, ReplyCache, cache_key, shown
from app.threads import named

Rerank = Literal["off", "on", "auto"]

TOP_K = 3  # answers of a reply, unless the question says otherwise
CANDIDATES = 20  # least number by answer, by phrasing and by words; enough for the ranking to find the best ten
CONSIDERED = 10  # candidates of a cached reply that is decided again when the share of unanswerable questions moves
CONFIDENT = 0.9  # a best candidate with this confidence is not reranked in the mode `auto`
CACHE_BYTES = 32 * 2**20  # of replies; about 40,000


class Examined(NamedTuple):
    """A question answered without options: the ids of what it finds before reranking, the entries, the reply."""

    nearest: tuple[str, ...]
    ranked: Ranked
    reply: Reply


class Answerer:
    """Answers questions with one bundle and one index of its vectors. The two are only ever replaced together."""

    def __init__(
        self,
        bundle: Bundle,
        index: Index,
        *,
        threads: int = 0,
        rerank: Rerank = "off",
        observer: Observer | None = None,
        cache_bytes: int = CACHE_BYTES,
        adapt: Mode = "off",
        asked: Asked | None = None,
        encoder: Encoder | None = None,
        packed: Path | None = None,
    ) -> None:
        """Load the encoders and, unless `rerank` is `off`, the bundle's reranker. Raises BundleError.

        `threads`: of the encoders, and of the reranker; 0 chooses it by the number of cores. `cache_bytes`: the bound
        of the reply cache. `observer` is told how long each step takes. `adapt`: whether the share of unanswerable
        questions is estimated and applied; `asked`: what was counted for it before. `encoder`: one of the same bundle
        whose graphs are shared instead of loaded. `packed`: as of `Encoder`.
        """
        self.bundle = bundle
        self.index = index
        self.calibrated = calibrated_of(index.calibration, index.record.name)
        self.ranking = ranking_of(bundle, self.calibrated, index.record.unanswerable_share)
        densities = self.calibrated.densities if self.calibrated else None
        self.adaptation = Adaptation(adapt, self.ranking.calibration.unanswerable, densities, asked)
        self._observer = observer
        self._replies = ReplyCache(cache_bytes)  # replies stay right while the applied share does: a release is fixed
        self._first = Encoder(bundle, threads=1, like=encoder, packed=packed)
        threads = threads or cores.encoders(0)
        others = [self.another_encoder() for _ in range(threads - 1)]
        self._batcher = Batcher([self._first, *others], observer)
        usable = rerank != "off" and self.ranking.reranked is not None
        self._reranker = Reranker.of(bundle, threads=threads) if usable else None
        self._reranks_below = CONFIDENT if rerank == "auto" else 2.0
        self._rerank_thread = ThreadPoolExecutor(1, thread_name_prefix="reranker", initializer=named("reranker"))

    @property
    def release(self) -> str:
        """The name of the release that answers."""
        return self.index.record.name

    async def ask(
        self,
        questions: Sequence[str],
        top_k: int = TOP_K,
        min_confidence: float | None = None,
        where: Filter | None = None,
        client: str = "",
    ) -> list[Reply]:
        """The reply to each question. Raises InputError for a filter on an unknown field, IndexUnavailable.

        `client` says who asks, for the estimated share of unanswerable questions; with a filter nothing is counted.
        """
        where = where or {}
        keys = {question: cache_key(question, top_k, min_confidence, where) for question in questions}
        cached = {question: ranked for question, key in keys.items() if (ranked := self._replies.get(key)) is not None}
        replies = {
            question: Reply.of(*self._decided(ranked, top_k, min_confidence)) for question, ranked in cached.items()
        }
        if self._observer and replies:
            self._observer.cached(len(replies))
        new = [question for question in keys if question not in replies]
        rankings = await self.rank(new, max(CANDIDATES, 2 * top_k), where) if new else []
        for question, ranked in zip(new, rankings, strict=True):
            if len(ranked) and not where:
                self.adaptation.saw(question, client, None if ranked.exact.any() else ranked.unanswerable)
            shifted, decision = self._decided(ranked, top_k, min_confidence)
            replies[question] = Reply.of(shifted, decision)
            considered = range(min(len(ranked), max(top_k, CONSIDERED)) if self.adaptation.applies else 0)
            self._replies.put(keys[question], ranked.take(sorted({*considered, *shown(shifted, decision)})))
        return [replies[question] for question in questions]

    async def examine(self, questions: Sequence[str]) -> list[Examined]:
        """What `ask` replies to each question without options. Nothing is cached, and nothing is counted for the
        estimated share of unanswerable questions."""
        return [await self._examined(question) for question in await self._questions(questions)]

    async def nearest(self, questions: Sequence[str], vectors: Vectors, limit: int) -> list[tuple[str, ...]]:
        """The ids of the best `limit` candidates of each question, best first, before reranking. `vectors`:
        (n, dimension), of `encode`."""
        encoded = map(self.index.record.question, questions, vectors)
        searched = [(question, await self.index.search(question, CANDIDATES, {})) for question in encoded]
        return [tuple(self.ranking.rank(question, hits).take(slice(limit)).ids()) for question, hits in searched]

    async def rank(self, questions: Sequence[str], limit: int, where: Filter) -> list[Ranked]:
        """What each question finds, best first. `limit`: how many by answer, by phrasing and by words."""
        if self.index.search_now and not where:
            ranked = await self._batcher.encode_then(questions, self._ranked_now, limit)
            return [await self._reranked(*pair) for pair in zip(questions, ranked, strict=True)]
        encoded = await self._questions(questions)
        return await asyncio.gather(*(self._ranked(question, limit, where) for question in encoded))

    async def explain(self, text: str) -> Explanation:
        """Why the question is answered as it is. It is not counted, and nothing is cached."""
        (vector,) = await self.encode([text])
        question = self.index.record.question(text, vector)
        hits = await self.index.search(question, CANDIDATES, {})
        before = self.ranking.rank(question, hits)
        ranked = self._shifted(await self._reranked(text, before))
        return explanation(self.ranking, question, hits, before, ranked)

    async def encode(self, questions: Sequence[str]) -> Vectors:
        """The vectors of the questions, (n, dimension); batched with those of concurrent calls."""
        return await self._batcher.encode(questions)

    def another_encoder(self) -> Encoder:
        """A new encoder of the bundle, for another thread; it shares the graphs. Raises BundleError."""
        return Encoder(self.bundle, like=self._first)

    def over(self, index: Index) -> "Answerer":
        """This answerer with a preview of its index. It shares all else, so do not close it, and use it only while this
        one is open. It caches no replies, and what it is asked is not counted."""
        other = copy.copy(self)
        other.index, other._replies, other.adaptation = index, ReplyCache(0), self.adaptation.copy()
        return other

    async def close(self) -> None:
        """Close the index, the encoders and the reranker; idempotent. Waits for their threads without blocking."""
        await self._batcher.close()
        await asyncio.to_thread(self._rerank_thread.shutdown, wait=True)
        await self.index.close()

    async def _questions(self, questions: Sequence[str]) -> list[Question]:
        return list(map(self.index.record.question, questions, await self.encode(questions)))

    def _ranked_now(self, texts: Sequence[str], vectors: Sequence[Vectors], limits: Sequence[int]) -> list[Ranked]:
        """What questions of a batch find, best first, before the reranker. Runs on an encoder's thread."""
        assert self.index.search_now  # noqa: S101 - see `rank`
        start = time.perf_counter()
        questions = list(map(self.index.record.question, texts, vectors))
        hits = self.index.search_now(questions, limits)
        if self._observer:
            for _ in questions:
                self._observer.searched(time.perf_counter() - start)
        return list(map(self.ranking.rank, questions, hits))

    async def _ranked(self, question: Question, limit: int, where: Filter) -> Ranked:
        start = time.perf_counter()
        hits = await self.index.search(question, limit, where)
        if self._observer:
            self._observer.searched(time.perf_counter() - start)
        return await self._reranked(question.text, self.ranking.rank(question, hits))

    async def _examined(self, question: Question) -> Examined:
        ranked = self.ranking.rank(question, await self.index.search(question, CANDIDATES, {}))
        best = await self._reranked(question.text, ranked)
        return Examined(tuple(ranked.ids()), best, Reply.of(*self._decided(best, TOP_K, None)))

    async def _reranked(self, question: str, ranked: Ranked) -> Ranked:
        """The entries, best first, in the reranker's order where it is in use and the best one is not sure."""
        reranker = self._reranker
        if reranker is None or not len(ranked) or ranked.confidences[0] >= self._reranks_below:
            return ranked
        texts = reranker.texts(ranked.take(slice(RERANKED)).payloads())
        loop = asyncio.get_running_loop()
        scores = await loop.run_in_executor(self._rerank_thread, reranker.scores, question, texts)
        return self.ranking.rerank(ranked, scores)

    def _shifted(self, ranked: Ranked) -> Ranked:
        """The entries with their confidences at the applied share of unanswerable questions, which moves all alike."""
        if not self.adaptation.applies or ranked.reranked:
            return ranked
        return ranked.with_confidences(ranked.confidences * self.adaptation.change(ranked.unanswerable))

    def _decided(self, ranked: Ranked, top_k: int, min_confidence: float | None) -> tuple[Ranked, Decision]:
        """The entries with the confidences that the reply says, and the decision about them."""
        calibration = (ranked.reranked and self.ranking.reranked) or self.ranking.calibration
        shifted = self._shifted(ranked)
        return shifted, decide(shifted, top_k, calibration, min_confidence)


def ranking_of(bundle: Bundle, calibrated: Calibrated | None, share: float | None = None) -> Ranking:
    """The ranking of a bundle, with the release's calibrations in place of the bundle's where it has any.

    `share`: of questions without an answer; the bundle's calibration is adjusted to it.
    """
    ranking = Ranking.of(bundle)
    if calibrated is None or calibrated.calibration is None:
        adjusted = ranking.calibration.at_share(share or ranking.unanswerable_share)
        return ranking.model_copy(update={"calibration": adjusted})
    own = {"calibration": calibrated.calibration, "reranked": calibrated.reranked}
    return ranking.model_copy(update={name: calibration for name, calibration in own.items() if calibration})
