"""Sends points to a Qdrant server: in requests of bounded size, several at a time, again after a break."""

import asyncio
import json
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
from qdrant_client import models

from app.arrays import Vectors
from app.errors import IndexUnavailable
from app.index.candidates import Candidate
from app.index.conditions import FLAGS, flags_of
from app.index.document_words import DocumentWords, Frequencies
from app.index.layout import DIGEST, FREQUENCIES, FREQUENCIES_ID, INCREMENT_SHIFT, SINCE, VECTORS
from app.index.lookup import keys_of
from app.index.nodes import Nodes
from app.index.protocol import ANSWER, BM25, KEYS, NEGATIVES, QUESTIONS, IndexRecord
from app.index.settling import taken
from app.index.words import Sparse, WordTokenizer, text_of

REQUEST_BYTES = 4 * 2**20  # a server refuses requests of more than 32 MiB; smaller ones overlap better
LIMIT_BYTES = 31 * 2**20
DECIMALS = 9  # of a stored number; the digits beyond are below the precision of float32 and double a request
NUMBER_BYTES = DECIMALS + 4  # at most, of a number in JSON: its sign, `0.`, the decimals and a comma
WORD_BYTES = 34  # at most, of a word's id and weight
IN_FLIGHT = 4
BREAK_S = 300.0  # for which a server may be away before a build fails
CALL_S = 60  # of one request

Point = tuple[models.PointStruct, int]  # with its size in a request, in bytes
Progress = Callable[[], None]


class Upload:
    """Sends the points of one release to its collection."""

    def __init__(self, nodes: Nodes, collection: str, record: IndexRecord) -> None:
        self._nodes = nodes
        self._collection = collection
        self._record = record
        self._tokenizer = WordTokenizer(record.language, record.average_length)
        self._number = record.increment << INCREMENT_SHIFT
        self._tasks: set[asyncio.Task[None]] = set()
        self._words: list[Sparse] = []  # of each entry of a publish
        self._vectors = 0
        self.ids: list[str] = []  # of the entries that were sent

    async def send(self, batches: Iterable[list[Candidate]]) -> None:
        """Send every batch; returns when the server has taken all of them. The first error ends it."""
        iterator = iter(batches)
        loop = asyncio.get_running_loop()
        try:
            with ThreadPoolExecutor(1, thread_name_prefix="batches") as thread:  # encoding must not stop the sending
                while (requests := await loop.run_in_executor(thread, self._requests, iterator)) is not None:
                    for points in requests:
                        await self._start(points)
            while self._tasks:
                await self._wait()
        finally:
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)

    async def send_frequencies(self) -> None:
        """Send the counts of the words of what was sent, which the increments of this publish use too."""
        counts = Frequencies.of(DocumentWords.of(self._words)).to_text()
        payload = {FREQUENCIES: counts, VECTORS: self._vectors}
        await self._send([models.PointStruct(id=FREQUENCIES_ID, vector={}, payload=payload)])

    def _requests(self, batches: Iterator[list[Candidate]]) -> list[list[models.PointStruct]] | None:
        """The requests for the next batch; None after the last."""
        batch = next(batches, None)
        return None if batch is None else list(_within(map(self._point, batch), REQUEST_BYTES))

    async def _start(self, points: list[models.PointStruct]) -> None:
        while len(self._tasks) >= IN_FLIGHT:
            await self._wait()
        self._tasks.add(asyncio.create_task(self._send(points)))

    async def _wait(self) -> None:
        """Wait for a request to end. Raises its error."""
        done, self._tasks = await asyncio.wait(self._tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()

    async def _send(self, points: list[models.PointStruct]) -> None:
        """Send one request, and again while the server is away: points with the same ids replace each other."""
        await taken(lambda: self._nodes.upsert(self._collection, points, wait=True, timeout=CALL_S), BREAK_S)

    def _point(self, candidate: Candidate) -> Point:
        vectors, numbers = _vectors(candidate)
        self._vectors += numbers // self._record.dimension
        words = self._tokenizer.document(text_of(candidate.payload))
        if not self._record.increment:
            self._words.append(words)
        payload = self._payload(candidate)
        size = len(json.dumps(payload)) + NUMBER_BYTES * numbers + WORD_BYTES * len(words.indices)
        if size > LIMIT_BYTES:
            texts = len(candidate.payload["phrasings"]) + len(candidate.payload["negatives"])
            raise IndexUnavailable(
                f"The entry {candidate.id} is too large for a Qdrant server: {texts:,} phrasings and negatives take "
                f"{size // 2**20} MB, and a request may have 32. Divide it into several entries."
            )
        point = models.PointStruct(
            id=self._number, vector={**vectors, BM25: models.SparseVector(**words._asdict())}, payload=payload
        )
        self._number += 1
        self.ids.append(candidate.id)
        return point, size

    def _payload(self, candidate: Candidate) -> dict[str, Any]:
        common = self._record.common_identifiers
        added = {
            FLAGS: flags_of(candidate.payload["metadata"]),
            KEYS: [] if common is None else keys_of(candidate.payload, common),
            DIGEST: candidate.digest,
        }
        return {
            **candidate.payload,
            **{key: value for key, value in added.items() if value},
            SINCE: self._record.increment,
        }


def _within(points: Iterable[Point], limit: int) -> Iterator[list[models.PointStruct]]:
    """The points in groups of up to `limit` bytes; a larger point is a group of its own."""
    group: list[models.PointStruct] = []
    total = 0
    for point, size in points:
        if group and total + size > limit:
            yield group
            group, total = [], 0
        group.append(point)
        total += size
    if group:
        yield group


def _vectors(candidate: Candidate) -> tuple[dict[str, Any], int]:
    """The named vectors of a point, and how many numbers they have. Without empty ones: Qdrant refuses these."""
    named = {ANSWER: candidate.answer, QUESTIONS: candidate.questions, NEGATIVES: candidate.negatives}
    dense = {name: vectors for name, vectors in named.items() if len(vectors)}
    return {name: _numbers(vectors) for name, vectors in dense.items()}, sum(rows.size for rows in dense.values())


def _numbers(vectors: Vectors) -> list[list[float]]:
    rounded: list[list[float]] = np.round(vectors.astype(np.float64), DECIMALS).tolist()
    return rounded
