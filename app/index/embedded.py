"""The index in process: the Qdrant engine (`qdrant-edge-py`) on FAQ_HOME's disk, with nothing to start.

index/active.json            which release is active, and which was before; replaced by rename
index/<release>/record.json  what the release is; written last, so that its presence means the shard is whole
index/<release>/shard/       the engine's files; without a write-ahead log, since a release never changes
index/<release>/vectors.f32  the vectors once more, for ranking; see index.vector_file
index/<release>/postings.npz the words of an index that is small enough to scan; see index.scan
index/<release>/lookup.npy   its phrasings, negatives and identifiers by their hashes; see index.lookup
index/<release>/calibration.json   how sure one may be; replaced by rename
index/<release>/sums.json    their checksums, compared whenever it is opened
index/.building-<release>/   an unfinished build
"""

import asyncio
import json
import shutil
from collections.abc import Iterable
from contextlib import suppress
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
BUILD_BYTES = 64 * 2**20  # that must be free on the disk
POINTER, BUILDING = "active.json", ".building-"


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
        tokenizer = WordTokenizer(record.language, record.average_length)
        with engine(f"the index {record.name}"):
            built = edge.EdgeShard.create(str(aside / SHARD), _config(record))
        rows, postings, lookup = VectorFileWriter(aside), PostingsWriter(), LookupWriter()
        try:
            start = 0
            for batch in batches:
                vectors = sum(one.answer.nbytes + one.questions.nbytes + one.negatives.nbytes for one in batch)
                check_space(aside, BUILD_BYTES + 5 * vectors)
                rows.add(batch)
                points = []
                for i, one in enumerate(batch):
                    words = tokenizer.document(text_of(one.payload))
                    postings.add(words)
                    lookup.add(keys_of(one.payload, record.common_identifiers or ()))
                    points.append(edge.Point(start + i, _vectors(one, words), stored_payload(one)))
                start += len(batch)
                with engine(f"the index {record.name}"):
                    built.update(edge.UpdateOperation.upsert_points(points))
            with engine(f"the index {record.name}"):
                for field, kinds in record.fields.items():
                    for kind in kinds:
                        built.update(edge.UpdateOperation.create_field_index(path(field, kind), SCHEMAS[kind]))
                if len(rows) > scan.LIMIT:
                    check_space(aside, BUILD_BYTES + 2 * _bytes_on_disk(aside))
                    built.optimize()
                built.flush()
        finally:
            built.close()
            rows.close()
        if 0 < len(rows) <= scan.LIMIT:
            postings.write(aside)
        if record.common_identifiers is not None:
            lookup.write(aside)
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
                found.append(read_record(self._directory / name))
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
        read_record(self._directory / name)
        try:
            active, previous = await self.pointer()
        except IndexUnavailable:  # a damaged pointer is mended by writing a whole one
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


def _config(record: IndexRecord) -> edge.EdgeConfig:
    """Dot product, as vectors come normalised where the model wants the cosine; only `optimize` builds the graph."""
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
    """The named vectors of a point; `questions` is left out for a passage, as an empty multivector is refused."""
    vectors: dict[str, Any] = {ANSWER: candidate.answer.tolist(), BM25: edge.SparseVector(*words)}
    if len(candidate.questions):
        vectors[QUESTIONS] = candidate.questions.tolist()
    return vectors


def _bytes_on_disk(directory: Path) -> int:
    return sum(path.stat().st_blocks * 512 for path in directory.rglob("*") if path.is_file())
