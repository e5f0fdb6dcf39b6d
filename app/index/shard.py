"""One release of the embedded index, open for reading; `index.embedded` has the files and writes them."""

import asyncio
import json
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, NamedTuple, TypeVar, cast

import numpy as np
import qdrant_edge as edge
from cachetools import LRUCache
from pydantic import ValidationError

from app.errors import IndexUnavailable, NotFound
from app.index import checksums
from app.index.candidates import NO_MATCH, Candidate, Match, Question
from app.index.filters import Dialect, Filter, check
from app.index.lookup import Lookup, QuestionKeys, keys_of, match_of, question_keys
from app.index.postings import POSTINGS, Postings
from app.index.protocol import ANSWER, BM25, QUESTIONS, Calibration, IndexRecord, own_payload
from app.index.scan import Scan
from app.index.sizes import bytes_of
from app.index.vectors import Rows
from app.index.words import WordTokenizer

T = TypeVar("T")

DIALECT = Dialect(edge.Filter, edge.FieldCondition, edge.MatchAny, edge.RangeFloat)
KNOWN_BYTES = 32 * 2**20  # of entries that were read lately, their vectors not counted: those are mapped files
SEARCH_PARAMS = edge.SearchParams(
    hnsw_ef=128, quantization=edge.QuantizationSearchParams(rescore=True, oversampling=2.0)
)
OPEN_BYTES = 2 * 2**20  # that must be free on the disk
RECORD, SHARD, CALIBRATION = "record.json", "shard", "calibration.json"


class Matches(NamedTuple):
    """How the keys of all entries match those of a question; `found` is None where the index has no lookup."""

    asked: QuestionKeys
    found: Mapping[int, Match] | None

    def of(self, point: int, payload: Mapping[str, Any]) -> Match:
        """The match of one entry."""
        if self.found is None:
            return match_of(self.asked, keys_of(payload))
        return self.found.get(point, NO_MATCH)

    def groups(self) -> list[list[int]]:
        """The entries whose phrasing is the question, and those that hold one of its identifiers; none is empty."""
        if not self.found:
            return []
        same = [point for point, match in self.found.items() if match.same or match.folded]
        holders = [point for point, match in self.found.items() if match.identifiers]
        return [group for group in (same, holders) if group]


class EmbeddedIndex:
    """An open shard, read by one thread of its own: the engine does not answer two queries at a time."""

    def __init__(self, directory: Path) -> None:
        self.record = read_record(directory)
        self.calibration = read_calibration(directory)
        check_space(directory, OPEN_BYTES)
        checksums.check(directory)
        self._rows = Rows(directory, self.record.entries, self.record.dimension)
        self._tokenizer = WordTokenizer(self.record.language, self.record.average_length)
        self._lookup = None if self.record.common_identifiers is None else Lookup(directory)
        self._scan: Scan | None = None
        if (directory / POSTINGS).exists():
            self._scan = Scan(self._rows, Postings(directory, self.record.entries), self._tokenizer)
        self._together: tuple[list[tuple[Question, int]], asyncio.Future[list[list[Candidate]]]] | None = None
        self._known: LRUCache[int, Candidate] = LRUCache(KNOWN_BYTES, getsizeof=lambda one: bytes_of(one.payload))
        with engine(f"the index {self.record.name}"):
            self._shard = edge.EdgeShard.load(str(directory / SHARD))
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="index")

    async def search(self, question: Question, limit: int, where: Filter) -> list[Candidate]:
        """As `Index.search`: a scan, or one batch of queries for ids, then BM25 and payloads of the entries found."""
        check(where, self.record.fields)
        if self._scan and not where:
            return await self._scanned(self._scan, question, limit)
        return await self._run(lambda: self._search(question, limit, DIALECT.translate(where)))

    async def count(self) -> int:
        """As `Index.count`."""
        return await self._run(lambda: self._shard.count(edge.CountRequest(exact=True)))

    async def sample(self, limit: int) -> list[Candidate]:
        """As `Index.sample`."""
        ids = np.unique(np.linspace(0, self.record.entries - 1, limit).astype(int)).tolist()
        return await self._run(lambda: self._read(ids))

    async def holds(self, entry_id: str) -> bool:
        """As `Index.holds`."""
        same = edge.Filter(must=[edge.FieldCondition("id", match=edge.MatchAny([entry_id]))])
        return await self._run(lambda: self._shard.count(edge.CountRequest(filter=same, exact=True)) > 0)

    async def close(self) -> None:
        """As `Index.close`; waits for the query under way, off the event loop."""
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
        """Together with all that are asked in the same turn of the event loop, as those encoded together are."""

        async def work(waiting: list[tuple[Question, int]]) -> list[list[Candidate]]:
            self._together = None
            questions, limits = zip(*waiting, strict=True)
            return await self._run(lambda: self._scan_all(scan, questions, limits))

        if self._together is None:
            waiting: list[tuple[Question, int]] = []
            self._together = waiting, asyncio.ensure_future(work(waiting))
        waiting, found = self._together
        waiting.append((question, limit))
        place = len(waiting) - 1
        return (await asyncio.shield(found))[place]

    def _scan_all(self, scan: Scan, questions: Sequence[Question], limits: Sequence[int]) -> list[list[Candidate]]:
        matches = [self._matches(question) for question in questions]
        also = [self._matching(*asked) for asked in zip(questions, limits, matches, strict=True)]
        scores = scan.nearest(questions, limits, also)
        return [self._read(list(found), asked, found) for asked, found in zip(matches, scores, strict=True)]

    def _matches(self, question: Question) -> Matches:
        asked = question_keys(question)
        return Matches(asked, self._lookup.find(asked) if self._lookup else None)

    def _matching(self, question: Question, limit: int, matches: Matches) -> list[int]:
        """The entries that the keys find, up to `limit` of each kind: the nearest where there are more."""
        groups = matches.groups()
        found = [list(group) for group in groups if len(group) <= limit]
        vector = question.vector.tolist()
        queries = [self._nearest(vector, ANSWER, limit, _among(group)) for group in groups if len(group) > limit]
        found += [[int(point.id) for point in points] for points in (self._query(queries) if queries else ())]
        return [point for group in found for point in group]

    def _search(self, question: Question, limit: int, where: edge.Filter | None) -> list[Candidate]:
        vector = question.vector.tolist()
        matches = self._matches(question)
        words = edge.SparseVector(*self._tokenizer.question(question.text))
        queries = {ANSWER: vector, QUESTIONS: vector, **({BM25: words} if words.indices else {})}
        requests = [self._nearest(query, name, limit, where) for name, query in queries.items()]
        requests += [self._nearest(vector, ANSWER, limit, _among(group, where)) for group in matches.groups()]
        found = self._query(requests)
        ids = sorted({int(point.id) for points in found for point in points})
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
        found: list[list[edge.ScoredPoint]] = self._shard.query_batch(edge.QueryBatchRequest(requests))
        return found

    def _read(
        self, ids: Sequence[int], matches: Matches | None = None, lexical: Mapping[int, float] | None = None
    ) -> list[Candidate]:
        """The entries, of which those read lately are still known, each with its BM25 and how its keys match."""
        entries = {point: known for point in ids if (known := self._known.get(point))}
        missing: list[Any] = [point for point in ids if point not in entries]
        for record in self._shard.retrieve(missing, with_payload=True, with_vector=False) if missing else ():
            point, payload = int(record.id), cast(dict[str, Any], record.payload)
            entries[point] = Candidate(payload["id"], own_payload(payload), *self._rows.read(point))
            with suppress(ValueError):  # an entry larger than the whole cache
                self._known[point] = entries[point]
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
    """What a release says of itself. Raises NotFound, IndexUnavailable."""
    try:
        return IndexRecord.model_validate_json((directory / RECORD).read_bytes())
    except (FileNotFoundError, NotADirectoryError):
        raise NotFound(f"There is no release {directory.name}.") from None
    except (OSError, ValidationError) as error:
        raise IndexUnavailable(f"The release {directory.name} is damaged: its record cannot be read.") from error


def read_calibration(directory: Path) -> Calibration | None:
    """The calibration that a release keeps, or None. Raises IndexUnavailable where it cannot be read."""
    try:
        return cast(Calibration, json.loads((directory / CALIBRATION).read_bytes()))
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
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
