"""The index in process: the Qdrant engine (`qdrant-edge-py`) on FAQ_HOME's disk, with nothing to start.

index/active.json            which release is active, and which was before; replaced by rename
index/<release>/record.json  what the release is; written last, so that its presence means the shard is whole
index/<release>/shard/       the engine's files; without a write-ahead log, since a release never changes
index/.building-<release>/   an unfinished build
"""

import asyncio
import json
import shutil
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import qdrant_edge as edge
from pydantic import ValidationError

from app import durable
from app.errors import IndexUnavailable, NotFound
from app.retrieval.filters import Dialect, Kind, Where, check, path
from app.retrieval.index import ANSWER, QUESTIONS, IndexRecord, candidate_of, payload_of, vectors_of
from app.retrieval.ranking import Candidate, Vectors
from app.retrieval.scan import Scan, Side

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
KEPT = 8192  # entries in memory as Python has them, about 8 kB each
SCANNED = KEPT  # entries up to which all are in memory, and compared there; the engine takes twice as long
RECORD, SHARD, POINTER, BUILDING = "record.json", "shard", "active.json", ".building-"


class EmbeddedIndex:
    """An open shard, read by one thread of its own: the engine does not answer two queries at a time."""

    def __init__(self, directory: Path) -> None:
        self.record = _record(directory)
        _check_space(directory, OPEN_BYTES)
        with _engine(f"the index {self.record.name}"):
            self._shard = edge.EdgeShard.load(str(directory / SHARD))
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="index")
        self._read_before: dict[Any, Candidate] = {}
        self._scan = self._scanned() if self.record.entries <= SCANNED else None

    async def search(self, question: Vectors, limit: int, where: Where) -> list[Candidate]:
        """As `Index.search`: one batch of two queries for ids, then one read of the entries found."""
        check(where, self.record.fields)
        if self._scan and not where:
            return [self._read_before[place] for place in await self._scan.search(question, limit)]
        return await self._run(lambda: self._search(question.tolist(), limit, DIALECT.translate(where)))

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

    def _scanned(self) -> Scan | None:
        """A scan of the whole index, and its entries in memory; None where one is missing, which `count` then says."""
        with _engine(f"the index {self.record.name}"):
            entries = [
                one for start in range(0, self.record.entries, 256) for one in self._read([*range(start, start + 256)])
            ]
        if sorted(self._read_before) != list(range(self.record.entries)):
            return None
        sides = Side.of([one.answer for one in entries]), Side.of([one.questions for one in entries])
        return Scan(sides, self._thread)

    async def _run(self, work: Callable[[], T]) -> T:
        def guarded() -> T:
            with _engine(f"the index {self.record.name}"):
                return work()

        return await asyncio.get_running_loop().run_in_executor(self._thread, guarded)

    def _search(self, question: list[float], limit: int, where: edge.Filter | None) -> list[Candidate]:
        queries = [
            edge.QueryRequest(
                limit,
                query=edge.Query.Nearest(question, using=name),
                filter=where,
                with_vector=False,
                with_payload=False,
                params=ROUGHLY if self.record.entries >= APPROXIMATE else None,
            )
            for name in (ANSWER, QUESTIONS)
        ]
        found = self._shard.query_batch(edge.QueryBatchRequest(queries))
        return self._read(sorted({point.id for points in found for point in points}))

    def _read(self, ids: list[Any]) -> list[Candidate]:
        """Entries come out of the engine number by number, which costs more than to find them: the last are kept."""
        known = {one: found for one in ids if (found := self._read_before.get(one))}
        if missing := [one for one in ids if one not in known]:
            for record in self._shard.retrieve(missing, with_payload=True, with_vector=True):
                known[record.id] = candidate_of(record.payload, record.vector, self.record.dimension)
                self._read_before[record.id] = known[record.id]
            while len(self._read_before) > KEPT:
                del self._read_before[next(iter(self._read_before))]
        return [known[one] for one in ids if one in known]


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
        with _engine(f"the index {record.name}"):
            shard = edge.EdgeShard.create(str(aside / SHARD), _config(record))
        try:
            start = 0
            for batch in batches:
                vectors = sum(one.answer.nbytes + one.questions.nbytes for one in batch)
                _check_space(aside, BUILD_BYTES + 4 * vectors)
                points = [edge.Point(start + i, vectors_of(one), payload_of(one)) for i, one in enumerate(batch)]
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
            return pointer["active"], pointer["previous"]
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
    return edge.EdgeConfig(vectors={ANSWER: params, QUESTIONS: params}, wal_enabled=False)


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
