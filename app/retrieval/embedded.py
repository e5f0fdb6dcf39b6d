"""The index in process: the Qdrant engine (`qdrant-edge-py`) on FAQ_HOME's disk, with nothing to start.

index/active.json            which release is active, and which was before; replaced by rename
index/<release>/record.json  what the release is; written last, so that its presence means the shard is whole
index/<release>/shard/       the engine's files; without a write-ahead log, since a release never changes
index/<release>/vectors.f32  the vectors once more, for ranking; see retrieval.rows
index/<release>/calibration.json   how sure one may be; replaced by rename
index/<release>/sums.json    their checksums, compared whenever it is opened
index/.building-<release>/   an unfinished build
"""

import asyncio
import json
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import qdrant_edge as edge
from pydantic import ValidationError

from app import durable
from app.errors import IndexUnavailable, NotFound
from app.retrieval import checksums
from app.retrieval.filters import Dialect, Kind, Where, check, path
from app.retrieval.index import ANSWER, BM25, QUESTIONS, Calibrated, IndexRecord, own_payload, stored_payload
from app.retrieval.lexical import Analyser, text_of
from app.retrieval.ranking import Candidate, Question
from app.retrieval.rows import Rows, RowsWriter

T = TypeVar("T")

DIALECT = Dialect(edge.Filter, edge.FieldCondition, edge.MatchAny, edge.RangeFloat)
SCHEMAS: dict[Kind, edge.PayloadSchemaType] = {
    "text": edge.PayloadSchemaType.Keyword,
    "number": edge.PayloadSchemaType.Float,
    "flag": edge.PayloadSchemaType.Keyword,
}
APPROXIMATE = 20_000  # entries from which a graph and 8 bits pay: see benchmarks.growth
GRAPH = edge.HnswIndexConfig(m=16, ef_construct=64, full_scan_threshold=10_000)
ROUGHLY = edge.SearchParams(hnsw_ef=128, quantization=edge.QuantizationSearchParams(rescore=True, oversampling=2.0))
OPEN_BYTES, BUILD_BYTES = 2 * 2**20, 64 * 2**20  # that must be free on the disk to open, and to build
RECORD, SHARD, POINTER, BUILDING = "record.json", "shard", "active.json", ".building-"
CALIBRATION = "calibration.json"


class EmbeddedIndex:
    """An open shard, read by one thread of its own: the engine does not answer two queries at a time."""

    def __init__(self, directory: Path) -> None:
        self.record = _record(directory)
        self.calibrated = _calibrated(directory)
        _check_space(directory, OPEN_BYTES)
        checksums.check(directory)
        self._rows = Rows(directory, self.record.entries, self.record.dimension)
        self._analyser = Analyser(self.record.language, self.record.average_length)
        with _engine(f"the index {self.record.name}"):
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
            with _engine(f"the index {self.record.name}"):
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


class EmbeddedStore:
    """All releases under one directory. As `IndexStore`."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        directory.mkdir(parents=True, exist_ok=True)

    async def build(self, record: IndexRecord, batches: Iterable[list[Candidate]]) -> None:
        """As `IndexStore.build`: written aside, flushed, renamed."""
        await asyncio.to_thread(self._build, record, batches)

    def _build(self, record: IndexRecord, batches: Iterable[list[Candidate]]) -> None:
        aside = self._directory / f"{BUILDING}{record.name}"
        shutil.rmtree(aside, ignore_errors=True)
        (aside / SHARD).mkdir(parents=True)
        analyser = Analyser(record.language, record.average_length)
        with _engine(f"the index {record.name}"):
            shard = edge.EdgeShard.create(str(aside / SHARD), _config(record))
        rows = RowsWriter(aside)
        try:
            start = 0
            for batch in batches:
                vectors = sum(one.answer.nbytes + one.questions.nbytes + one.negatives.nbytes for one in batch)
                _check_space(aside, BUILD_BYTES + 5 * vectors)
                rows.add(batch)
                points = [
                    edge.Point(start + i, _vectors(one, analyser), stored_payload(one)) for i, one in enumerate(batch)
                ]
                start += len(batch)
                with _engine(f"the index {record.name}"):
                    shard.update(edge.UpdateOperation.upsert_points(points))
            with _engine(f"the index {record.name}"):
                for field, kinds in record.fields.items():
                    for kind in kinds:
                        shard.update(edge.UpdateOperation.create_field_index(path(field, kind), SCHEMAS[kind]))
                if record.entries >= APPROXIMATE:
                    _check_space(aside, BUILD_BYTES + 2 * _bytes_on_disk(aside))
                    shard.optimize()
                shard.flush()
        finally:
            shard.close()
            rows.close()
        checksums.write(aside)
        durable.flush_tree(aside)
        durable.write(aside / RECORD, record.model_dump_json(indent=2))
        durable.rename(aside, self._directory / record.name)

    async def open(self, name: str) -> EmbeddedIndex:
        """As `IndexStore.open`."""
        return await asyncio.to_thread(EmbeddedIndex, self._directory / name)

    async def records(self) -> list[IndexRecord]:
        """As `IndexStore.records`; a directory whose record cannot be read is no release."""
        found = []
        for name in await self.names():
            with suppress(NotFound, IndexUnavailable):
                found.append(_record(self._directory / name))
        return sorted(found, key=lambda record: (record.created_at, record.name))

    async def names(self) -> list[str]:
        """As `IndexStore.names`."""
        return sorted(path.name for path in self._directory.glob("faq-*") if path.is_dir())

    async def drop(self, name: str) -> None:
        """As `IndexStore.drop`: out of sight first, then deleted."""
        aside = self._directory / f"{BUILDING}dropped-{name}"
        shutil.rmtree(aside, ignore_errors=True)
        try:
            (self._directory / name).replace(aside)
        except FileNotFoundError:
            return
        await asyncio.to_thread(shutil.rmtree, aside, ignore_errors=True)

    async def sweep(self) -> None:
        """As `IndexStore.sweep`."""
        for directory in self._directory.glob(f"{BUILDING}*"):
            await asyncio.to_thread(shutil.rmtree, directory, ignore_errors=True)

    async def pointer(self) -> tuple[str | None, str | None]:
        """As `IndexStore.pointer`."""
        try:
            pointer = json.loads((self._directory / POINTER).read_bytes())
            active, previous = pointer["active"], pointer["previous"]
            if not all(name is None or isinstance(name, str) for name in (active, previous)):
                raise TypeError
            return active, previous
        except FileNotFoundError:
            return None, None
        except (ValueError, KeyError, TypeError) as error:
            raise IndexUnavailable(
                f"{self._directory / POINTER} is damaged. `python -m app releases` lists what there is to activate."
            ) from error

    async def activate(self, name: str) -> None:
        """As `IndexStore.activate`. Raises NotFound."""
        _record(self._directory / name)
        try:
            active, previous = await self.pointer()
        except IndexUnavailable:  # a damaged pointer is mended by writing a whole one
            active = previous = None
        if active != name:
            active, previous = name, active
        durable.write(self._directory / POINTER, json.dumps({"active": active, "previous": previous}))

    async def calibration(self, name: str) -> Calibrated | None:
        """As `IndexStore.calibration`."""
        return _calibrated(self._directory / name)

    async def calibrate(self, name: str, calibrated: Calibrated) -> None:
        """As `IndexStore.calibrate`."""
        _record(self._directory / name)
        durable.write(self._directory / name / CALIBRATION, calibrated.model_dump_json(indent=2))

    async def close(self) -> None:
        """As `IndexStore.close`."""


def _check_space(directory: Path, needed: int) -> None:
    """The engine writes to memory-mapped files, when it opens too: a full disk would end the process without a word."""
    free = shutil.disk_usage(directory).free
    if free < needed:
        raise IndexUnavailable(
            f"The disk of {directory.parent} is nearly full: {free // 2**20} MB are left of the {needed // 2**20} MB "
            f"that it takes to open or build an index. Make room and try again."
        )


def _config(record: IndexRecord) -> edge.EdgeConfig:
    """Dot product, as vectors come normalised where the model wants the cosine; exact, or for many entries a graph."""
    multi = edge.MultiVectorConfig(edge.MultiVectorComparator.MaxSim)
    form: dict[str, Any] = {}
    if record.entries >= APPROXIMATE:
        eight_bits = edge.ScalarQuantizationConfig(edge.ScalarType.Int8, always_ram=True)
        form = {"hnsw_config": GRAPH, "quantization_config": eight_bits}
    params = edge.EdgeVectorParams(record.dimension, edge.Distance.Dot, multivector_config=multi, **form)
    words = edge.EdgeSparseVectorParams(modifier=edge.Modifier.Idf)
    return edge.EdgeConfig(vectors={ANSWER: params, QUESTIONS: params}, sparse_vectors={BM25: words}, wal_enabled=False)


def _vectors(candidate: Candidate, analyser: Analyser) -> dict[str, Any]:
    """The named vectors of a point; `questions` is left out for a passage, as an empty multivector is refused."""
    words = edge.SparseVector(*analyser.document(text_of(candidate.payload)))
    vectors: dict[str, Any] = {ANSWER: candidate.answer.tolist(), BM25: words}
    if len(candidate.questions):
        vectors[QUESTIONS] = candidate.questions.tolist()
    return vectors


def _calibrated(directory: Path) -> Calibrated | None:
    try:
        return Calibrated.model_validate_json((directory / CALIBRATION).read_bytes())
    except FileNotFoundError:
        return None
    except (OSError, ValidationError) as error:
        raise IndexUnavailable(f"The release {directory.name} is damaged: its calibration cannot be read.") from error


def _bytes_on_disk(directory: Path) -> int:
    return sum(path.stat().st_blocks * 512 for path in directory.rglob("*") if path.is_file())


def _record(directory: Path) -> IndexRecord:
    try:
        return IndexRecord.model_validate_json((directory / RECORD).read_bytes())
    except (FileNotFoundError, NotADirectoryError):
        raise NotFound(f"There is no release {directory.name}.") from None
    except (OSError, ValidationError) as error:
        raise IndexUnavailable(f"The release {directory.name} is damaged: its record cannot be read.") from error


@contextmanager
def _engine(what: str) -> Iterator[None]:
    """The engine's errors, and the panics that are no `Exception`, as ours."""
    try:
        yield
    except (KeyboardInterrupt, SystemExit, GeneratorExit):
        raise
    except BaseException as error:
        raise IndexUnavailable(f"Qdrant's engine cannot use {what}: {error}") from error
