"""Many callers, a few encoders: questions wait in one line, and are encoded in small batches of like length.

A question is encoded at once when an encoder is free, so nobody waits for company. While all are at work, questions
gather, and the next free encoder takes the oldest with those nearest to it in length: little padding, and nobody is
passed over. One batch is small enough that the wait for it is a few milliseconds. An embedding does not depend on its
batch; the export checks that.

What was encoded before is remembered twice, within bounds: by its text, which costs nothing to look up, and by its
token ids, which are the same for all spellings that the tokenizer reads alike, and only for those.
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

BATCH = 8  # questions encoded at a time; 16 are no cheaper each, and take twice as long
CHOICE = 32  # of the oldest, among which a batch is chosen by length
REMEMBERED = 8192  # questions; about 2 kB each


class Observer(Protocol):
    """Is told what answering takes; called on the event loop."""

    def waited(self, seconds: float) -> None:
        """One question stood in line for so long."""

    def encoded(self, questions: int, seconds: float) -> None:
        """One batch was encoded."""

    def cached(self, questions: int) -> None:
        """So many questions did not have to be encoded."""

    def searched(self, seconds: float) -> None:
        """One question was looked up in the index."""


@dataclass(slots=True)
class _Asked:
    """One caller's questions that are not known yet, in order, and where their vectors go."""

    done: asyncio.Future[None]
    vectors: Vectors  # (n, dimension)
    missing: int


@dataclass(slots=True)
class _Waiting:
    """One question in line."""

    text: str
    asked: _Asked
    row: int  # of `asked.vectors`
    since: float = field(default_factory=time.perf_counter)


class Batcher:
    """Encodes questions on threads of its own, from one event loop."""

    def __init__(self, encoders: Sequence[Encoder], observer: Observer | None = None) -> None:
        """Each of the encoders is given a thread. They are the batcher's own from here on."""
        self._encoders = list(encoders)
        self._dimension = encoders[0].encoding.dimension
        self._threads = ThreadPoolExecutor(len(encoders), thread_name_prefix="encoder")
        self._observer = observer
        self._line: deque[_Waiting] = deque()
        self._by_text: LRUCache[str, Vectors] = LRUCache(REMEMBERED)  # used on the event loop alone
        self._by_ids: LRUCache[bytes, Vectors] = LRUCache(REMEMBERED)
        self._by_ids_lock = Lock()  # as every encoder's thread uses it

    @property
    def waiting(self) -> int:
        """Questions in line, those whose caller has gone included."""
        return len(self._line)

    async def encode(self, texts: Sequence[str]) -> Vectors:
        """(n, dimension) float32. A caller that is cancelled takes along what is still in line."""
        vectors = np.empty((len(texts), self._dimension), dtype=np.float32)
        asked = _Asked(asyncio.get_running_loop().create_future(), vectors, 0)
        for row, text in enumerate(texts):
            known = self._by_text.get(text)
            if known is None:
                asked.missing += 1
                self._line.append(_Waiting(text, asked, row))
            else:
                vectors[row] = known
        if self._observer and asked.missing < len(texts):
            self._observer.cached(len(texts) - asked.missing)
        if asked.missing:
            self._dispatch()
            await asked.done
        return vectors

    async def close(self) -> None:
        """Cancel the callers of what is in line, and wait for the batches under way, off the event loop. Idempotent."""
        while self._line:
            self._line.popleft().asked.done.cancel()
        await asyncio.to_thread(self._threads.shutdown, wait=True)

    def _dispatch(self) -> None:
        """Give every free encoder a batch."""
        loop = asyncio.get_running_loop()
        while self._line and self._encoders:
            if batch := self._next():
                encoder, start = self._encoders.pop(), time.perf_counter()
                work = loop.run_in_executor(self._threads, self._encode, encoder, [one.text for one in batch])
                work.add_done_callback(partial(self._finished, encoder, batch, start))

    def _next(self) -> list[_Waiting]:
        """The oldest and those of the next oldest that are nearest to it in length; none whose caller has gone."""
        oldest: list[_Waiting] = []
        while self._line and len(oldest) < CHOICE:
            if not (one := self._line.popleft()).asked.done.done():
                oldest.append(one)
        if len(oldest) <= BATCH:
            return oldest
        length = len(oldest[0].text)
        batch = sorted(oldest, key=lambda one: abs(len(one.text) - length))[:BATCH]
        taken = {id(one) for one in batch}
        self._line.extendleft(one for one in reversed(oldest) if id(one) not in taken)
        return batch

    def _finished(
        self, encoder: Encoder, batch: list[_Waiting], start: float, work: asyncio.Future[list[Vectors]]
    ) -> None:
        """Hand the vectors of a batch out, or what went wrong with it, and look for the next."""
        self._encoders.append(encoder)
        error = work.exception()
        if error is None:
            self._hand_out(batch, work.result())
            self._observe(batch, start)
        for one in batch:
            if error is not None and not one.asked.done.done():
                one.asked.done.set_exception(error)
        self._dispatch()

    def _encode(self, encoder: Encoder, texts: list[str]) -> list[Vectors]:
        """On an encoder's thread: each text's vector, of which those read alike are computed once."""
        tokens = encoder.tokenize(texts)
        keys = [np.asarray(one.ids, dtype=np.int32).tobytes() for one in tokens]
        with self._by_ids_lock:
            known = {key: vector for key in keys if (vector := self._by_ids.get(key)) is not None}
        new = {key: one for key, one in zip(keys, tokens, strict=True) if key not in known}
        for key, vector in zip(new, encoder.embed(list(new.values())), strict=True):
            known[key] = vector.copy()  # a row of its own, so that what is remembered does not keep the batch
        with self._by_ids_lock:
            self._by_ids.update((key, known[key]) for key in new)
        return [known[key] for key in keys]

    def _hand_out(self, batch: list[_Waiting], vectors: list[Vectors]) -> None:
        for one, vector in zip(batch, vectors, strict=True):
            self._by_text[one.text] = vector
            one.asked.vectors[one.row] = vector
            one.asked.missing -= 1
            if not one.asked.missing and not one.asked.done.done():
                one.asked.done.set_result(None)

    def _observe(self, batch: list[_Waiting], start: float) -> None:
        if self._observer:
            for one in batch:
                self._observer.waited(start - one.since)
            self._observer.encoded(len(batch), time.perf_counter() - start)
