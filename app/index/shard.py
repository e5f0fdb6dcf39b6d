"""One release of the embedded index, open for reading; `index.embedded` has the files and writes them."""

import asyncio
import json
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, NamedTuple, TypeVar, cast

import qdrant_edge as edge
from cachetools import LRUCache
from pydantic import ValidationError

from app.errors import IndexUnavailable, NotFound
from app.index import checksums
from app.index.candidates import NO_MATCH, Candidate, Match, Question
from app.index.filters import Dialect, Filter, check
from app.index.lookup import Lookup, QuestionKeys, keys_of, match_of, question_keys
from app.index.memory import memory_bytes
from app.index.postings import POSTINGS, Postings
from app.index.protocol import ANSWER, BM25, QUESTIONS, Calibration, IndexRecord, own_payload
from app.index.scan import Scan
from app.index.vector_file import VectorFile
from app.index.words import WordTokenizer

T = TypeVar("T")

DIALECT = Dialect(edge.Filter, edge.FieldCondition, edge.MatchAny, edge.RangeFloat)
CACHE_BYTES = 32 * 2**20  # of entries read last, without their vectors, which are memory-mapped
SEARCH_PARAMS = edge.SearchParams(
    hnsw_ef=128, quantization=edge.QuantizationSearchParams(rescore=True, oversampling=2.0)
)
OPEN_BYTES = 2 * 2**20  # free disk space that opening an index needs
RECORD, SHARD, CALIBRATION = "record.json", "shard", "calibration.json"


class Matches(NamedTuple):
    """How the keys of all entries match those of a question. `by_entry` is None where the index has no lookup."""

    wanted: QuestionKeys
    by_entry: Mapping[int, Match] | None

    def of(self, point: int, payload: Mapping[str, Any]) -> Match:
        """The match of one entry."""
        if self.by_entry is None:
            return match_of(self.wanted, keys_of(payload))
        return self.by_entry.get(point, NO_MATCH)

    def groups(self) -> list[list[int]]:
        """The entries whose phrasing is the question, and those that hold one of its identifiers; no group is empty."""
        if not self.by_entry:
            return []
        same = [point for point, match in self.by_entry.items() if match.same or match.folded]
        holders = [point for point, match in self.by_entry.items() if match.identifiers]
        return [group for group in (same, holders) if group]


class EmbeddedIndex:
    """An open release; see `Index`. One thread reads it, because the engine does not answer two queries at a time."""

    def __init__(self, directory: Path) -> None:
        self.record = read_record(directory)
        self.calibration = read_calibration(directory)
        check_space(directory, OPEN_BYTES)
        checksums.check(directory)
        self._vectors = VectorFile(directory, self.record.entries, self.record.dimension)
        self._tokenizer = WordTokenizer(self.record.language, self.record.average_length)
        self._lookup = None if self.record.common_identifiers is None else Lookup(directory)
        self._scan: Scan | None = None
        if (directory / POSTINGS).exists():
            self._scan = Scan(self._vectors, Postings(directory, self.record.entries), self._tokenizer)
        self._waiting: tuple[list[tuple[Question, int]], asyncio.Future[list[list[Candidate]]]] | None = None
        self._cache: LRUCache[int, Candidate] = LRUCache(
            CACHE_BYTES, getsizeof=lambda entry: memory_bytes(entry.payload)
        )
        with engine(f"the index {self.record.name}"):
            self._shard = edge.EdgeShard.load(str(directory / SHARD))
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="index")

    async def search(self, question: Question, limit: int, where: Filter) -> list[Candidate]:
        """As `Index.search`: by a scan; with filters or without a scan by the engine's queries."""
        check(where, self.record.fields)
        if self._scan and not where:
            return await self._scanned(self._scan, question, limit)
        return await self._run(lambda: self._search(question, limit, DIALECT.translate(where)))

    async def count(self) -> int:
        """As `Index.count`."""
        return await self._run(lambda: self._shard.count(edge.CountRequest(exact=True)))

    async def sample(self, limit: int) -> list[Candidate]:
        """As `Index.sample`."""
        return await self._run(lambda: self._read(self.record.spread(limit)))

    async def close(self) -> None:
        """As `Index.close`. Waits for the running query without blocking the event loop."""
        await asyncio.to_thread(self._close)

    def _close(self) -> None:
        self._thread.shutdown(wait=True)
        self._shard.close()

    async def _run(self, work: Callable[[], T]) -> T:
        def guarded() -> T:
            with engine(f"the index {self.record.name}"):
                return work()

        return await asyncio.get_running_loop().run_in_executor(self._thread, guarded)

    async def _scanned(self, scan: Scan, question: Question, limit: int) -> list[Candidate]:
        """One scan for all searches of a turn of the event loop, such as those of questions encoded together."""

        async def work(waiting: list[tuple[Question, int]]) -> list[list[Candidate]]:
            self._waiting = None
            questions, limits = zip(*waiting, strict=True)
            return await self._run(lambda: self._scan_all(scan, questions, limits))

        if self._waiting is None:
            waiting: list[tuple[Question, int]] = []
            self._waiting = waiting, asyncio.ensure_future(work(waiting))
        waiting, results = self._waiting
        position = len(waiting)
        waiting.append((question, limit))
        return (await asyncio.shield(results))[position]

    def _scan_all(self, scan: Scan, questions: Sequence[Question], limits: Sequence[int]) -> list[list[Candidate]]:
        matches = [self._matches(question) for question in questions]
        also = [self._matching(*search) for search in zip(questions, limits, matches, strict=True)]
        scores = scan.nearest(questions, limits, also)
        return [self._read(list(bm25), match, bm25) for match, bm25 in zip(matches, scores, strict=True)]

    def _matches(self, question: Question) -> Matches:
        wanted = question_keys(question)
        return Matches(wanted, self._lookup.find(wanted) if self._lookup else None)

    def _matching(self, question: Question, limit: int, matches: Matches) -> list[int]:
        """The entries that the keys find: of each group all, or the `limit` nearest where there are more."""
        groups = matches.groups()
        points = [point for group in groups if len(group) <= limit for point in group]
        vector = question.vector.tolist()
        queries = [self._nearest(vector, ANSWER, limit, _among(group)) for group in groups if len(group) > limit]
        nearest = self._query(queries) if queries else ()
        return points + [int(result.id) for results in nearest for result in results]

    def _search(self, question: Question, limit: int, where: edge.Filter | None) -> list[Candidate]:
        vector = question.vector.tolist()
        matches = self._matches(question)
        words = edge.SparseVector(*self._tokenizer.question(question.text))
        queries = {ANSWER: vector, QUESTIONS: vector, **({BM25: words} if words.indices else {})}
        requests = [self._nearest(query, name, limit, where) for name, query in queries.items()]
        requests += [self._nearest(vector, ANSWER, limit, _among(group, where)) for group in matches.groups()]
        ids = sorted({int(result.id) for results in self._query(requests) for result in results})
        if BM25 not in queries or not ids:
            return self._read(ids, matches)
        (scored,) = self._query([self._nearest(words, BM25, len(ids), _among(ids))])
        return self._read(ids, matches, {int(point.id): point.score for point in scored})

    def _nearest(self, query: Any, name: str, limit: int, where: edge.Filter | None) -> edge.QueryRequest:  # noqa: ANN401
        return edge.QueryRequest(
            limit,
            query=edge.Query.Nearest(query, using=name),
            filter=where,
            with_vector=False,
            with_payload=False,
            params=None if name == BM25 else SEARCH_PARAMS,
        )

    def _query(self, requests: list[edge.QueryRequest]) -> list[list[edge.ScoredPoint]]:
        results: list[list[edge.ScoredPoint]] = self._shard.query_batch(edge.QueryBatchRequest(requests))
        return results

    def _read(
        self, ids: Sequence[int], matches: Matches | None = None, lexical: Mapping[int, float] | None = None
    ) -> list[Candidate]:
        """The entries, from the cache or the engine, each with its BM25 score and how its keys match."""
        entries = {point: entry for point in ids if (entry := self._cache.get(point))}
        missing: list[Any] = [point for point in ids if point not in entries]
        for record in self._shard.retrieve(missing, with_payload=True, with_vector=False) if missing else ():
            point, payload = int(record.id), cast(dict[str, Any], record.payload)
            entries[point] = Candidate(payload["id"], own_payload(payload), *self._vectors.read(point))
            with suppress(ValueError):  # an entry larger than the whole cache
                self._cache[point] = entries[point]
        scores = lexical or {}
        match = matches.of if matches else _no_match
        return [
            Candidate(*entry[:5], scores.get(point, 0.0), match(point, entry.payload))
            for point in ids
            if (entry := entries.get(point))
        ]


def _no_match(point: int, payload: Mapping[str, Any]) -> Match:
    return NO_MATCH


def _among(ids: Sequence[int], where: edge.Filter | None = None) -> edge.Filter:
    conditions: list[Any] = [edge.HasIdCondition(set(ids)), *([where] if where else [])]
    return edge.Filter(must=conditions)


def read_record(directory: Path) -> IndexRecord:
    """The record of a release. Raises NotFound, or IndexUnavailable where it cannot be read."""
    try:
        return IndexRecord.model_validate_json((directory / RECORD).read_bytes())
    except (FileNotFoundError, NotADirectoryError):
        raise NotFound(f"There is no release {directory.name}.") from None
    except (OSError, ValidationError) as error:
        raise IndexUnavailable(f"The release {directory.name} is damaged: its record cannot be read.") from error


def read_calibration(directory: Path) -> Calibration | None:
    """The calibration of a release, or None. Raises IndexUnavailable where it cannot be read."""
    try:
        return cast(Calibration, json.loads((directory / CALIBRATION).read_bytes()))
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise IndexUnavailable(f"The release {directory.name} is damaged: its calibration cannot be read.") from error


def check_space(directory: Path, needed: int) -> None:
    """Raises IndexUnavailable where the disk has less than `needed` bytes left.

    The engine writes to memory-mapped files, also when it opens an index; on a full disk the process would be killed.
    """
    free = shutil.disk_usage(directory).free
    if free < needed:
        raise IndexUnavailable(
            f"The disk of {directory.parent} is nearly full: {free // 2**20} MB are free, and opening or building an "
            f"index takes {needed // 2**20} MB. Make room and try again."
        )


@contextmanager
def engine(what: str) -> Iterator[None]:
    """Raises IndexUnavailable, naming `what`, in place of the engine's errors and panics, which are no `Exception`."""
    try:
        yield
    except (KeyboardInterrupt, SystemExit, GeneratorExit):
        raise
    except BaseException as error:
        raise IndexUnavailable(f"Qdrant's engine cannot use {what}: {error}") from error
