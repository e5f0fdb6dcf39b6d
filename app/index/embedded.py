"""The embedded index: the Qdrant engine (`qdrant-edge-py`) in this process, with files in FAQ_HOME.

index/active.json            the names of the active release and the previous one; replaced by rename
index/<release>/record.json  the description of the release; written last, so that a release that has it is whole
index/<release>/shard/       the engine's files; without a write-ahead log, since a release never changes
index/<release>/vectors.f32  the vectors again, for scans and ranking; see index.vector_file
index/<release>/postings.npz the words of the entries, where the index is small enough to scan; see index.postings
index/<release>/lookup.npy   hashes of phrasings, negatives and identifiers; see index.lookup
index/<release>/calibration.json   the calibration of confidence; replaced by rename
index/<release>/sums.json    checksums, compared whenever the release is opened; see index.checksums
index/.building-<release>/   an unfinished build
"""

import asyncio
import json
import shutil
from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import suppress
from itertools import count
from pathlib import Path
from typing import Any

import qdrant_edge as edge

from app import durable
from app.errors import IndexUnavailable, NotFound
from app.index import checksums, scan
from app.index.candidates import Candidate
from app.index.filters import Kind, path
from app.index.lookup import LookupWriter, keys_of
from app.index.postings import PostingsWriter
from app.index.protocol import ANSWER, BM25, QUESTIONS, Calibration, IndexRecord, stored_payload
from app.index.shard import (
    CALIBRATION,
    RECORD,
    SHARD,
    EmbeddedIndex,
    check_space,
    engine,
    read_calibration,
    read_record,
)
from app.index.vector_file import VectorFileWriter
from app.index.words import Sparse, WordTokenizer, text_of

SCHEMAS: dict[Kind, edge.PayloadSchemaType] = {
    "text": edge.PayloadSchemaType.Keyword,
    "number": edge.PayloadSchemaType.Float,
    "flag": edge.PayloadSchemaType.Keyword,
}
HNSW_CONFIG = edge.HnswIndexConfig(m=16, ef_construct=64, full_scan_threshold=10_000)
BUILD_BYTES = 64 * 2**20  # free disk space that a build needs beside its vectors
POINTER, BUILDING = "active.json", ".building-"


class EmbeddedStore:
    """All releases under one directory; see `IndexStore`."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        directory.mkdir(parents=True, exist_ok=True)

    async def claim(self, owner: str, adopt: bool, bundles: Collection[str]) -> None:
        """As `IndexStore.claim`. Does nothing: FAQ_HOME belongs to one installation."""

    async def build(
        self, record: IndexRecord, batches: Iterable[list[Candidate]], waiting: Callable[[], object] = bool
    ) -> None:
        """As `IndexStore.build`: written to a temporary directory, flushed, then renamed."""
        await asyncio.to_thread(self._build, record, batches)

    def _build(self, record: IndexRecord, batches: Iterable[list[Candidate]]) -> None:
        building = self._directory / f"{BUILDING}{record.name}"
        shutil.rmtree(building, ignore_errors=True)
        (building / SHARD).mkdir(parents=True)
        _write(building, record, batches)
        checksums.write(building)
        durable.flush_tree(building)
        durable.write(building / RECORD, record.model_dump_json(indent=2))
        durable.rename(building, self._directory / record.name)

    async def open(self, name: str) -> EmbeddedIndex:
        """As `IndexStore.open`."""
        return await asyncio.to_thread(EmbeddedIndex, self._directory / name)

    async def records(self) -> list[IndexRecord]:
        """As `IndexStore.records`; a directory whose record cannot be read is no release."""
        records = []
        for name in await self.names():
            with suppress(NotFound, IndexUnavailable):
                records.append(read_record(self._directory / name))
        return sorted(records, key=lambda record: (record.created_at, record.name))

    async def names(self) -> list[str]:
        """As `IndexStore.names`."""
        return sorted(path.name for path in self._directory.glob("faq-*") if path.is_dir())

    async def drop(self, name: str) -> None:
        """As `IndexStore.drop`: renamed first, then deleted."""
        dropped = self._directory / f"{BUILDING}dropped-{name}"
        shutil.rmtree(dropped, ignore_errors=True)
        try:
            (self._directory / name).replace(dropped)
        except FileNotFoundError:
            return
        await asyncio.to_thread(shutil.rmtree, dropped, ignore_errors=True)

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
                f"{self._directory / POINTER} is damaged. Activate a release; `python -m app releases` lists them."
            ) from error

    async def activate(self, name: str) -> None:
        """As `IndexStore.activate`. Raises NotFound."""
        read_record(self._directory / name)
        try:
            active, previous = await self.pointer()
        except IndexUnavailable:  # a damaged pointer is replaced
            active = previous = None
        if active != name:
            active, previous = name, active
        durable.write(self._directory / POINTER, json.dumps({"active": active, "previous": previous}))

    async def calibration(self, name: str) -> Calibration | None:
        """As `IndexStore.calibration`."""
        return read_calibration(self._directory / name)

    async def calibrate(self, name: str, calibration: Calibration) -> None:
        """As `IndexStore.calibrate`."""
        read_record(self._directory / name)
        durable.write(self._directory / name / CALIBRATION, json.dumps(calibration, indent=2))

    async def close(self) -> None:
        """As `IndexStore.close`."""


def _write(directory: Path, record: IndexRecord, batches: Iterable[list[Candidate]]) -> None:
    """Write the shard and the files beside it."""
    vectors, postings, lookup = VectorFileWriter(directory), PostingsWriter(), LookupWriter()
    with engine(f"the index {record.name}"):
        shard = edge.EdgeShard.create(str(directory / SHARD), _config(record))
    try:
        for points in _points(record, batches, vectors, postings, lookup):
            with engine(f"the index {record.name}"):
                shard.update(edge.UpdateOperation.upsert_points(points))
        with engine(f"the index {record.name}"):
            for field, kinds in record.fields.items():
                for kind in kinds:
                    shard.update(edge.UpdateOperation.create_field_index(path(field, kind), SCHEMAS[kind]))
            if len(vectors) > scan.LIMIT:
                check_space(directory, BUILD_BYTES + 2 * _bytes_on_disk(directory))
                shard.optimize()  # builds the graph
            shard.flush()
    finally:
        shard.close()
        vectors.close()
    if 0 < len(vectors) <= scan.LIMIT:
        postings.write(directory)
    if record.common_identifiers is not None:
        lookup.write(directory)


def _points(
    record: IndexRecord,
    batches: Iterable[list[Candidate]],
    vectors: VectorFileWriter,
    postings: PostingsWriter,
    lookup: LookupWriter,
) -> Iterator[list[edge.Point]]:
    """The points of each batch, numbered from 0. Adds their vectors, words and keys to the three files."""
    tokenizer, numbers = WordTokenizer(record.language, record.average_length), count()
    for batch in batches:
        size = sum(entry.answer.nbytes + entry.questions.nbytes + entry.negatives.nbytes for entry in batch)
        check_space(vectors.directory, BUILD_BYTES + 5 * size)
        vectors.add(batch)
        points = []
        for entry in batch:
            words = tokenizer.document(text_of(entry.payload))
            postings.add(words)
            lookup.add(keys_of(entry.payload, record.common_identifiers or ()))
            points.append(edge.Point(next(numbers), _vectors(entry, words), stored_payload(entry)))
        yield points


def _config(record: IndexRecord) -> edge.EdgeConfig:
    """The engine's configuration. The distance is the dot product: a model for the cosine gives normalised vectors."""
    multi = edge.MultiVectorConfig(edge.MultiVectorComparator.MaxSim)
    small = edge.ScalarQuantizationConfig(edge.ScalarType.Int8, always_ram=True)
    params = edge.EdgeVectorParams(
        record.dimension,
        edge.Distance.Dot,
        multivector_config=multi,
        hnsw_config=HNSW_CONFIG,
        quantization_config=small,
    )
    words = edge.EdgeSparseVectorParams(modifier=edge.Modifier.Idf)
    return edge.EdgeConfig(vectors={ANSWER: params, QUESTIONS: params}, sparse_vectors={BM25: words}, wal_enabled=False)


def _vectors(candidate: Candidate, words: Sparse) -> dict[str, Any]:
    """The named vectors of a point, without `questions` for a passage: the engine refuses an empty multivector."""
    vectors: dict[str, Any] = {ANSWER: candidate.answer.tolist(), BM25: edge.SparseVector(*words)}
    if len(candidate.questions):
        vectors[QUESTIONS] = candidate.questions.tolist()
    return vectors


def _bytes_on_disk(directory: Path) -> int:
    return sum(path.stat().st_blocks * 512 for path in directory.rglob("*") if path.is_file())
