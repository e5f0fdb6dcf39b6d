"""Dynamic batching: questions of many callers wait in one queue, and a few encoders take them in small batches.

A free encoder takes a question at once, so a batch is never delayed to fill up. While all encoders are busy, questions
queue. The next free encoder takes the oldest question and those nearest to it in length, which keeps padding low and
starves no question. A batch takes a few milliseconds. An embedding does not depend on its batch; the export checks it.

Two LRU caches hold the vectors of recent questions: one by text, one by token ids, which are equal for all spellings
that the tokenizer does not distinguish.
"""

import asyncio
import time
from collections import deque
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from threading import Lock
from typing import Protocol

import numpy as np
from cachetools import LRUCache

from app.arrays import Vectors
from app.encoding.encoder import Encoder
from app.threads import named

BATCH = 8  # questions; a batch of 16 takes twice as long and saves nothing
CHOICE = 32  # the oldest questions, among which a batch is chosen by length
CACHED = 8192  # questions; about 2 kB each


class Observer(Protocol):
    """Receives measurements of answering. Its methods are called on the event loop."""

    def waited(self, seconds: float) -> None:
        """One question waited in the queue."""

    def encoded(self, questions: int, seconds: float) -> None:
        """One batch was encoded."""

    def cached(self, questions: int) -> None:
        """That many questions were answered or encoded from a cache."""

    def searched(self, seconds: float) -> None:
        """One search of the index was made."""


@dataclass(slots=True)
class _Request:
    """The questions of one caller, and the place for their vectors."""

    done: asyncio.Future[None]
    vectors: Vectors  # (n, dimension)
    missing: int  # vectors that are not there yet


@dataclass(slots=True)
class _Waiting:
    """One question in the queue."""

    text: str
    request: _Request
    row: int  # of `request.vectors`
    since: float = field(default_factory=time.perf_counter)


class Batcher:
    """Encodes the questions of one event loop, on its own threads."""

    def __init__(self, encoders: Sequence[Encoder], observer: Observer | None = None) -> None:
        """Each encoder gets a thread. The caller must not use the encoders any more."""
        self._encoders = list(encoders)
        self._dimension = encoders[0].encoding.dimension
        self._threads = ThreadPoolExecutor(len(encoders), thread_name_prefix="encoder", initializer=named("encoder"))
        self._observer = observer
        self._queue: deque[_Waiting] = deque()
        self._by_text: LRUCache[str, Vectors] = LRUCache(CACHED)  # used on the event loop only
        self._by_ids: LRUCache[bytes, Vectors] = LRUCache(CACHED)
        self._by_ids_lock = Lock()  # all encoders' threads use the cache

    @property
    def waiting(self) -> int:
        """The number of questions in the queue, including those of cancelled callers."""
        return len(self._queue)

    async def encode(self, texts: Sequence[str]) -> Vectors:
        """The vectors, (n, dimension) float32. When the caller is cancelled, its queued questions are dropped."""
        vectors = np.empty((len(texts), self._dimension), dtype=np.float32)
        request = _Request(asyncio.get_running_loop().create_future(), vectors, 0)
        for row, text in enumerate(texts):
            known = self._by_text.get(text)
            if known is None:
                request.missing += 1
                self._queue.append(_Waiting(text, request, row))
            else:
                vectors[row] = known
        if self._observer and request.missing < len(texts):
            self._observer.cached(len(texts) - request.missing)
        if request.missing:
            self._dispatch()
            await request.done
        return vectors

    async def close(self) -> None:
        """Cancel the callers in the queue, and wait for running batches without blocking the event loop. Idempotent."""
        while self._queue:
            self._queue.popleft().request.done.cancel()
        await asyncio.to_thread(self._threads.shutdown, wait=True)

    def _dispatch(self) -> None:
        """Give every free encoder a batch."""
        loop = asyncio.get_running_loop()
        while self._queue and self._encoders:
            if batch := self._next():
                encoder, start = self._encoders.pop(), time.perf_counter()
                work = loop.run_in_executor(self._threads, self._encode, encoder, [question.text for question in batch])
                work.add_done_callback(partial(self._finished, encoder, batch, start))

    def _next(self) -> list[_Waiting]:
        """The oldest question and those of the next that are nearest to it in length, without cancelled ones."""
        oldest: list[_Waiting] = []
        while self._queue and len(oldest) < CHOICE:
            question = self._queue.popleft()
            if not question.request.done.done():
                oldest.append(question)
        if len(oldest) <= BATCH:
            return oldest
        length = len(oldest[0].text)
        batch = sorted(oldest, key=lambda question: abs(len(question.text) - length))[:BATCH]
        taken = {id(question) for question in batch}
        self._queue.extendleft(question for question in reversed(oldest) if id(question) not in taken)
        return batch

    def _finished(
        self, encoder: Encoder, batch: list[_Waiting], start: float, work: asyncio.Future[list[Vectors]]
    ) -> None:
        """Give the callers of a batch their vectors or its error, and start the next batch."""
        self._encoders.append(encoder)
        error = work.exception()
        if error is None:
            self._hand_out(batch, work.result())
            self._observe(batch, start)
        for question in batch:
            if error is not None and not question.request.done.done():
                question.request.done.set_exception(error)
        self._dispatch()

    def _encode(self, encoder: Encoder, texts: list[str]) -> list[Vectors]:
        """The vector of each text; texts of the same tokens are encoded once. Runs on an encoder's thread."""
        tokens = encoder.tokenize(texts)
        keys = [np.asarray(text.ids, dtype=np.int32).tobytes() for text in tokens]
        with self._by_ids_lock:
            known = {key: vector for key in keys if (vector := self._by_ids.get(key)) is not None}
        new = {key: text for key, text in zip(keys, tokens, strict=True) if key not in known}
        for key, vector in zip(new, encoder.embed(list(new.values())), strict=True):
            known[key] = vector.copy()  # a copy, so that the cache does not keep the whole batch
        with self._by_ids_lock:
            self._by_ids.update((key, known[key]) for key in new)
        return [known[key] for key in keys]

    def _hand_out(self, batch: list[_Waiting], vectors: list[Vectors]) -> None:
        for question, vector in zip(batch, vectors, strict=True):
            request = question.request
            self._by_text[question.text] = vector
            request.vectors[question.row] = vector
            request.missing -= 1
            if not request.missing and not request.done.done():
                request.done.set_result(None)

    def _observe(self, batch: list[_Waiting], start: float) -> None:
        if self._observer:
            for question in batch:
                self._observer.waited(start - question.since)
            self._observer.encoded(len(batch), time.perf_counter() - start)
