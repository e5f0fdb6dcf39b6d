"""The engine's files of a publish, which hold the entries and answer queries: `qdrant-edge-py` in this process.

shard/   without a write-ahead log, since a release never changes
"""

import shutil
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from threading import Lock
from typing import Any, NamedTuple

import qdrant_edge as edge

from app.errors import IndexUnavailable
from app.index.candidates import Candidate
from app.index.filters import Dialect, Filter, Kind, path
from app.index.protocol import ANSWER, BM25, QUESTIONS, IndexRecord
from app.index.words import Sparse

SHARD = "shard"
DIALECT = Dialect(edge.Filter, edge.FieldCondition, edge.MatchAny, edge.RangeFloat)
SCHEMAS: dict[Kind, edge.PayloadSchemaType] = {
    "text": edge.PayloadSchemaType.Keyword,
    "number": edge.PayloadSchemaType.Float,
    "flag": edge.PayloadSchemaType.Keyword,
}
HNSW_CONFIG = edge.HnswIndexConfig(m=16, ef_construct=64, full_scan_threshold=10_000)
SEARCH_PARAMS = edge.SearchParams(
    hnsw_ef=128, quantization=edge.QuantizationSearchParams(rescore=True, oversampling=2.0)
)
BUILD_BYTES = 64 * 2**20  # free disk space that a build needs beside its vectors

Scores = dict[int, float]  # of entries, by their numbers


class Query(NamedTuple):
    """A search by one named vector. `among`: the numbers of the entries that are searched; None: all."""

    vector: Any  # a list of numbers, or for BM25 words
    using: str
    limit: int
    among: Collection[int] | None = None


class Shard:
    """The shard of a publish, open for reading. The engine answers one call at a time; several threads may call."""

    def __init__(self, directory: Path) -> None:
        """Raises IndexUnavailable where the engine cannot open it."""
        self._name = directory.name
        self._lock = Lock()
        with engine(self._name):
            self._shard = edge.EdgeShard.load(str(directory / SHARD))

    def close(self) -> None:
        """Close the files; idempotent."""
        self._shard.close()

    def count(self, where: edge.Filter | None = None) -> int:
        """The number of entries that meet a condition."""
        with self._lock, engine(self._name):
            return self._shard.count(edge.CountRequest(filter=where, exact=True))

    def payloads(self, numbers: Sequence[int]) -> Iterator[tuple[int, dict[str, Any]]]:
        """The numbers and stored payloads of entries."""
        wanted: list[Any] = list(numbers)
        with self._lock, engine(self._name):
            records = self._shard.retrieve(wanted, with_payload=True, with_vector=False) if wanted else []
        for record in records:
            yield int(record.id), record.payload or {}

    def search(
        self, queries: Sequence[Query], where: Filter, hidden: edge.HasIdCondition | None = None
    ) -> list[Scores]:
        """The best entries for each query, without the hidden ones."""
        condition = DIALECT.translate(where)
        requests = [_request(query, condition, hidden) for query in queries]
        with self._lock, engine(self._name):
            results = self._shard.query_batch(edge.QueryBatchRequest(requests)) if requests else []
        return [{int(point.id): point.score for point in points} for points in results]


def _request(query: Query, condition: edge.Filter | None, hidden: edge.HasIdCondition | None) -> edge.QueryRequest:
    must: list[Any] = [edge.HasIdCondition(set(query.among))] if query.among is not None else []
    must += [condition] if condition else []
    where = edge.Filter(must=must, must_not=[hidden] if hidden else []) if must or hidden else None
    return edge.QueryRequest(
        query.limit,
        query=edge.Query.Nearest(query.vector, using=query.using),
        filter=where,
        with_vector=False,
        with_payload=False,
        params=None if query.using == BM25 else SEARCH_PARAMS,
    )


class ShardWriter:
    """Writes the shard of a publish, batch by batch. Closes with the `with` block."""

    def __init__(self, directory: Path, record: IndexRecord) -> None:
        self._directory, self._record = directory, record
        (directory / SHARD).mkdir()
        with engine(record.name):
            self._shard = edge.EdgeShard.create(str(directory / SHARD), _config(record))

    def __enter__(self) -> "ShardWriter":
        return self

    def __exit__(self, *_: object) -> None:
        self._shard.close()

    def add(self, points: list[edge.Point]) -> None:
        """Add entries, as `point` makes them."""
        with engine(self._record.name):
            self._shard.update(edge.UpdateOperation.upsert_points(points))

    def finish(self, *, graph: bool) -> None:
        """Index the metadata, and the vectors where the index is searched by a graph; flush all to the disk."""
        with engine(self._record.name):
            for field, kinds in self._record.fields.items():
                for kind in kinds:
                    self._shard.update(edge.UpdateOperation.create_field_index(path(field, kind), SCHEMAS[kind]))
            if graph:
                check_space(self._directory, BUILD_BYTES + 2 * _bytes_on_disk(self._directory))
                self._shard.optimize()
            self._shard.flush()


def point(number: int, candidate: Candidate, words: Sparse, payload: Mapping[str, Any]) -> edge.Point:
    """An entry for the shard, without `questions` for a passage: the engine refuses an empty multivector."""
    vectors: dict[str, Any] = {ANSWER: candidate.answer.tolist(), BM25: edge.SparseVector(*words)}
    if len(candidate.questions):
        vectors[QUESTIONS] = candidate.questions.tolist()
    return edge.Point(number, vectors, dict(payload))


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
def engine(release: str) -> Iterator[None]:
    """Raises IndexUnavailable, naming the release, for the engine's errors and panics, which are no `Exception`."""
    try:
        yield
    except (KeyboardInterrupt, SystemExit, GeneratorExit):
        raise
    except BaseException as error:
        raise IndexUnavailable(f"Qdrant's engine cannot use the index {release}: {error}") from error


def _bytes_on_disk(directory: Path) -> int:
    return sum(path.stat().st_blocks * 512 for path in directory.rglob("*") if path.is_file())
