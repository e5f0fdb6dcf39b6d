"""Dynamic batching: questions of many callers wait in one queue, and a few encoders take them in small batches.

What follows the encoding, such as a search, may run on the encoder's thread as well, for the whole batch: a question
then wakes one thread, and the event loop only once.

A free encoder takes a question at once, so a batch is never delayed to fill up. While all encoders are busy, questions
queue. The next free encoder takes its share of them, the oldest ones. The others are for the encoders that are free
next, so that no encoder idles while questions wait for another one. An embedding does not depend on its batch; the
export checks it.

An LRU cache holds the vectors of recent questions by their token ids, which are equal for all spellings that the
tokenizer does not distinguish.
"""

import asyncio
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from threading import Lock
from typing import Any, NamedTuple, Protocol, TypeVar

import numpy as np
from cachetools import LRUCache

from app.arrays import Vectors
from app.encoding.crew import Crew
from app.encoding.encoder import Encoder

BATCH = 16  # questions, of which those of similar length are encoded together
CACHED = 4096  # questions; about 2 kB each

T = TypeVar("T")
Work = Callable[[Sequence[str], Sequence[Vectors], Sequence[int]], Sequence[T]]  # of texts, their vectors and limits


class Observer(Protocol):
    """Receives measurements of answering. Its methods may be called on any thread."""

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
    """The questions of one caller, and the place for their results."""

    done: asyncio.Future[None]
    results: list[Any]
    missing: int  # results that are not there yet


@dataclass(slots=True)
class _Waiting:
    """One question in the queue."""

    text: str
    request: _Request
    place: int  # in `request.results`
    work: Work[Any] | None  # None: the result is the vector
    limit: int  # for the work
    since: float = field(default_factory=time.perf_counter)


class _Done(NamedTuple):
    """A batch: the results of its questions, and how long the encoding took."""

    results: Sequence[Any]
    seconds: float


class Batcher:
    """Encodes the questions of one event loop, on its own threads."""

    def __init__(self, encoders: Sequence[Encoder], observer: Observer | None = None) -> None:
        """Each encoder gets a thread. The caller must not use the encoders any more."""
        self._encoders = list(encoders)  # those that are free
        self._count = len(encoders)
        self._dimension = encoders[0].encoding.dimension
        self._crew = Crew(len(encoders), "encoder")
        self._observer = observer
        self._queue: deque[_Waiting] = deque()
        self._by_ids: LRUCache[bytes, Vectors] = LRUCache(CACHED)
        self._by_ids_lock = Lock()  # all encoders' threads use the cache

    @property
    def waiting(self) -> int:
        """The number of questions in the queue, including those of cancelled callers."""
        return len(self._queue)

    async def encode(self, texts: Sequence[str]) -> Vectors:
        """The vectors, (n, dimension) float32. When the caller is cancelled, its queued questions are dropped."""
        vectors = await self._results(texts, None, 0)
        return np.array(vectors, dtype=np.float32).reshape(-1, self._dimension)

    async def encode_then(self, texts: Sequence[str], work: Work[T], limit: int) -> list[T]:
        """The result of `work` for each text. It runs on the thread of the encoder, right after the encoding, once for
        the questions of a batch that have the same work, and gets `limit` with each text. Raises what it raises.

        When the caller is cancelled, its queued questions are dropped.
        """
        return await self._results(texts, work, limit)

    async def _results(self, texts: Sequence[str], work: Work[T] | None, limit: int) -> list[Any]:
        """Queue the texts, and wait for their results."""
        if not texts:
            return []
        request = _Request(asyncio.get_running_loop().create_future(), [None] * len(texts), len(texts))
        self._queue.extend(_Waiting(text, request, place, work, limit) for place, text in enumerate(texts))
        self._dispatch()
        await request.done
        return request.results

    async def close(self) -> None:
        """Cancel the callers in the queue, and wait for running batches without blocking the event loop. Idempotent."""
        while self._queue:
            self._queue.popleft().request.done.cancel()
        await asyncio.to_thread(self._crew.close)

    def _dispatch(self) -> None:
        """Give every free encoder a batch."""
        while self._queue and self._encoders:
            if batch := self._next():
                encoder, start = self._encoders.pop(), time.perf_counter()
                self._crew.run(partial(self._run, encoder, batch), partial(self._finished, encoder, batch, start))

    def _next(self) -> list[_Waiting]:
        """The oldest questions of one work, at most the share of one encoder; without those of cancelled callers."""
        size = min(BATCH, -(-len(self._queue) // self._count))
        batch: list[_Waiting] = []
        while self._queue and len(batch) < size:
            question = self._queue[0]
            if question.request.done.done():
                self._queue.popleft()
            elif not batch or question.work == batch[0].work:
                batch.append(self._queue.popleft())
            else:
                break
        return batch

    def _finished(self, encoder: Encoder, batch: list[_Waiting], start: float, done: _Done | BaseException) -> None:
        """Give the callers of a batch their results or its error, and start the next batch."""
        self._encoders.append(encoder)
        if isinstance(done, _Done):
            self._hand_out(batch, done)
            self._observe(batch, start, done.seconds)
        else:
            for question in batch:
                if not question.request.done.done():
                    question.request.done.set_exception(done)
        self._dispatch()

    def _run(self, encoder: Encoder, batch: Sequence[_Waiting]) -> _Done:
        """Encode the questions, and do the work. Runs on an encoder's thread."""
        start, texts, work = time.perf_counter(), [question.text for question in batch], batch[0].work
        vectors = self._encode(encoder, texts)
        seconds = time.perf_counter() - start
        return _Done(work(texts, vectors, [question.limit for question in batch]) if work else vectors, seconds)

    def _encode(self, encoder: Encoder, texts: Sequence[str]) -> list[Vectors]:
        """The vector of each text; texts of the same tokens are encoded once. Runs on an encoder's thread."""
        tokens = encoder.tokenize(texts)
        keys = [np.asarray(text.ids, dtype=np.int32).tobytes() for text in tokens]
        with self._by_ids_lock:
            known = {key: vector for key in keys if (vector := self._by_ids.get(key)) is not None}
        new = {key: text for key, text in zip(keys, tokens, strict=True) if key not in known}
        if self._observer and known:
            self._observer.cached(sum(key in known for key in keys))
        for key, vector in zip(new, encoder.embed(list(new.values())), strict=True):
            known[key] = vector.copy()  # a copy, so that the cache does not keep the whole batch
        with self._by_ids_lock:
            self._by_ids.update((key, known[key]) for key in new)
        return [known[key] for key in keys]

    def _hand_out(self, batch: Sequence[_Waiting], done: _Done) -> None:
        for question, result in zip(batch, done.results, strict=True):
            request = question.request
            request.results[question.place] = result
            request.missing -= 1
            if not request.missing and not request.done.done():
                request.done.set_result(None)

    def _observe(self, batch: Sequence[_Waiting], start: float, seconds: float) -> None:
        if self._observer:
            for question in batch:
                self._observer.waited(start - question.since)
            self._observer.encoded(len(batch), seconds)
