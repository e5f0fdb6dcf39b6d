"""Clusters of unanswered questions by the encoder of the release that answers, computed off the answering path."""

import asyncio
from collections.abc import Sequence

import numpy as np
from cachetools import LRUCache

from app.answering import Answerer
from app.arrays import Vectors
from app.errors import NotReady
from app.questions.figures import Period
from app.questions.groups import joined
from app.questions.questions import Questions
from app.questions.reviewing import MOST, Failed
from app.questions.unanswered import Cluster, clusters
from app.releases.live import Live

BATCH = 32  # texts that are encoded at a time


class Unanswered:
    """Lists the clusters. Vectors are computed in one thread, with an encoder of its own, and kept in memory."""

    def __init__(self, questions: Questions, live: Live) -> None:
        self._questions, self._live = questions, live
        self._vectors: LRUCache[tuple[str, str], Vectors] = LRUCache(2 * MOST)  # by bundle and text
        self._grouping = asyncio.Lock()

    async def clusters(self, period: Period, dismissed: bool = False) -> list[Cluster]:
        """The clusters that wait, or those that were dismissed (`app.questions.unanswered`), best ranked first.

        Questions of the period that are in no cluster yet are grouped; without a release they stay alone. Raises
        StoreError.
        """
        async with self._grouping:
            failed = await asyncio.to_thread(self._questions.reviews.failed, period)
            try:
                async with self._live.answerer() as answerer:
                    await asyncio.to_thread(self._group, answerer, failed)
            except NotReady:
                pass
        return await asyncio.to_thread(self._clusters, failed, dismissed)

    def grouped(self, period: Period) -> list[Cluster]:
        """The clusters that wait as they were grouped last. Computes no vectors. Raises StoreError."""
        return self._clusters(self._questions.reviews.failed(period), dismissed=False)

    def _clusters(self, failed: Sequence[Failed], dismissed: bool) -> list[Cluster]:
        return clusters(failed, self._questions.groups.of(), self._questions.reviews.decisions(), dismissed)

    def _group(self, answerer: Answerer, failed: Sequence[Failed]) -> None:
        """Group the questions that the bundle of the release has not grouped yet, and keep that."""
        bundle, most = answerer.bundle.revision, failed[:MOST]
        known = self._questions.groups.of(bundle)
        new = [question for question in most if question.key not in known]
        if not new:
            return
        ordered = [*(question for question in most if question.key in known), *new]
        vectors = self._encoded(answerer, [question.question for question in ordered])
        self._questions.groups.keep(joined([question.key for question in ordered], vectors, known), bundle)

    def _encoded(self, answerer: Answerer, texts: Sequence[str]) -> Vectors:
        """(n, dimension)."""
        bundle = answerer.bundle.revision
        vectors = {text: self._vectors[bundle, text] for text in texts if (bundle, text) in self._vectors}
        missing = list(dict.fromkeys(text for text in texts if text not in vectors))
        encoder = answerer.another_encoder()
        for start in range(0, len(missing), BATCH):
            batch = missing[start : start + BATCH]
            vectors.update(zip(batch, encoder.encode_queries(batch), strict=True))
        for text in missing:
            self._vectors[bundle, text] = vectors[text]
        return np.stack([vectors[text] for text in texts])
