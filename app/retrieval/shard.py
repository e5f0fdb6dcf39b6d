"""One release of the embedded index, open for reading; `retrieval.embedded` has the files and writes them."""

import asyncio
import shutil
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import qdrant_edge as edge
from pydantic import ValidationError

from app.errors import IndexUnavailable, NotFound
from app.retrieval import checksums
from app.retrieval.filters import Dialect, Where, check
from app.retrieval.index import ANSWER, BM25, QUESTIONS, Calibrated, IndexRecord, own_payload
from app.retrieval.lexical import Analyser
from app.retrieval.ranking import Candidate, Question
from app.retrieval.rows import Rows

T = TypeVar("T")

DIALECT = Dialect(edge.Filter, edge.FieldCondition, edge.MatchAny, edge.RangeFloat)
APPROXIMATE = 20_000  # entries from which a graph and 8 bits pay: see benchmarks.growth
ROUGHLY = edge.SearchParams(hnsw_ef=128, quantization=edge.QuantizationSearchParams(rescore=True, oversampling=2.0))
OPEN_BYTES = 2 * 2**20  # that must be free on the disk
RECORD, SHARD, CALIBRATION = "record.json", "shard", "calibration.json"


class EmbeddedIndex:
    """An open shard, read by one thread of its own: the engine does not answer two queries at a time."""

    def __init__(self, directory: Path) -> None:
        self.record = read_record(directory)
        self.calibrated = read_calibration(directory)
        check_space(directory, OPEN_BYTES)
        checksums.check(directory)
        self._rows = Rows(directory, self.record.entries, self.record.dimension)
        self._analyser = Analyser(self.record.language, self.record.average_length)
        with engine(f"the index {self.record.name}"):
            self._shard = edge.EdgeShard.load(str(directory / SHARD))
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="index")

    async def search(self, question: Question, limit: int, where: Where) -> list[Candidate]:
        """As `Index.search`: one batch of queries for ids, then BM25 and payloads of the entries found."""
        check(where, self.record.fields)
        return await self._run(lambda: self._search(question, limit, DIALECT.translate(where)))

    async def count(self) -> int:
        """As `Index.count`."""
        return await self._run(lambda: self._shard.count(edge.CountRequest(exact=True)))

    async def sample(self, limit: int) -> list[Candidate]:
        """As `Index.sample`."""
        ids = np.unique(np.linspace(0, self.record.entries - 1, limit).astype(int)).tolist()
        return await self._run(lambda: self._read(ids))

    async def close(self) -> None:
        """As `Index.close`; waits for the query under way."""
        self._thread.shutdown(wait=True)
        self._shard.close()

    async def _run(self, work: Callable[[], T]) -> T:
        def guarded() -> T:
            with engine(f"the index {self.record.name}"):
                return work()

        return await asyncio.get_running_loop().run_in_executor(self._thread, guarded)

    def _search(self, question: Question, limit: int, where: edge.Filter | None) -> list[Candidate]:
        vector = question.vector.tolist()
        words = edge.SparseVector(*self._analyser.question(question.text))
        queries = {ANSWER: vector, QUESTIONS: vector, **({BM25: words} if words.indices else {})}
        found = self._query([self._nearest(query, name, limit, where) for name, query in queries.items()])
        ids = sorted({point.id for points in found for point in points})
        if BM25 not in queries or not ids:
            return self._read(ids)
        among = edge.Filter(must=[edge.HasIdCondition(set(ids))])
        (scored,) = self._query([self._nearest(words, BM25, len(ids), among)])
        return self._read(ids, {point.id: point.score for point in scored})

    def _nearest(self, query: Any, name: str, limit: int, where: edge.Filter | None) -> edge.QueryRequest:  # noqa: ANN401
        roughly = self.record.entries >= APPROXIMATE and name != BM25
        return edge.QueryRequest(
            limit,
            query=edge.Query.Nearest(query, using=name),
            filter=where,
            with_vector=False,
            with_payload=False,
            params=ROUGHLY if roughly else None,
        )

    def _query(self, requests: list[edge.QueryRequest]) -> list[list[edge.ScoredPoint]]:
        found: list[list[edge.ScoredPoint]] = self._shard.query_batch(edge.QueryBatchRequest(requests))
        return found

    def _read(self, ids: list[Any], lexical: Mapping[Any, float] | None = None) -> list[Candidate]:
        records = self._shard.retrieve(ids, with_payload=True, with_vector=False)
        return [self._candidate(record.id, record.payload, (lexical or {}).get(record.id, 0.0)) for record in records]

    def _candidate(self, point: Any, payload: Any, lexical: float) -> Candidate:  # noqa: ANN401 - as the engine has them
        return Candidate(payload["id"], own_payload(payload), *self._rows.read(point), lexical)


def read_record(directory: Path) -> IndexRecord:
    """What a release says of itself. Raises NotFound, IndexUnavailable."""
    try:
        return IndexRecord.model_validate_json((directory / RECORD).read_bytes())
    except (FileNotFoundError, NotADirectoryError):
        raise NotFound(f"There is no release {directory.name}.") from None
    except (OSError, ValidationError) as error:
        raise IndexUnavailable(f"The release {directory.name} is damaged: its record cannot be read.") from error


def read_calibration(directory: Path) -> Calibrated | None:
    """A release's calibration, if it has one. Raises IndexUnavailable."""
    try:
        return Calibrated.model_validate_json((directory / CALIBRATION).read_bytes())
    except FileNotFoundError:
        return None
    except (OSError, ValidationError) as error:
        raise IndexUnavailable(f"The release {directory.name} is damaged: its calibration cannot be read.") from error


def check_space(directory: Path, needed: int) -> None:
    """The engine writes to memory-mapped files, when it opens too: a full disk would end the process without a word."""
    free = shutil.disk_usage(directory).free
    if free < needed:
        raise IndexUnavailable(
            f"The disk of {directory.parent} is nearly full: {free // 2**20} MB are left of the {needed // 2**20} MB "
            f"that it takes to open or build an index. Make room and try again."
        )


@contextmanager
def engine(what: str) -> Iterator[None]:
    """The engine's errors, and the panics that are no `Exception`, as ours."""
    try:
        yield
    except (KeyboardInterrupt, SystemExit, GeneratorExit):
        raise
    except BaseException as error:
        raise IndexUnavailable(f"Qdrant's engine cannot use {what}: {error}") from error
