"""How a release is stored on a Qdrant server: named vectors, shards, copies, memory."""

from dataclasses import dataclass
from typing import Any, Literal

from qdrant_client import models

from app.index.conditions import path
from app.index.filters import Kind
from app.index.protocol import ANSWER, BM25, KEYS, NEGATIVES, QUESTIONS, IndexRecord

SINCE, UNTIL, DIGEST = "since", "until", "digest"  # keys of a payload: the increments that hold the point; see `alive`
FREQUENCIES = "frequencies"  # key of the payload that counts the base's words; see `index.document_words`
VECTORS = "vectors"  # key of the same payload: the number of the publish's vectors
INCREMENT_SHIFT = 40  # the id of a point: its increment in the upper bits, and its number among those of it
FREQUENCIES_ID = 2**62  # of the point that has it, and nothing else; no release holds it as an entry
SCHEMAS: dict[Kind, models.PayloadSchemaType] = {
    "text": models.PayloadSchemaType.KEYWORD,
    "number": models.PayloadSchemaType.FLOAT,
    "flag": models.PayloadSchemaType.KEYWORD,
}
SEARCH_PARAMS = models.SearchParams(
    hnsw_ef=128, quantization=models.QuantizationSearchParams(rescore=True, oversampling=2.0)
)


@dataclass(frozen=True)
class Layout:
    """The settings of new collections. None: the default for the cluster's number of nodes."""

    replication_factor: int | None = None
    write_consistency_factor: int | None = None
    shard_number: int | None = None
    on_disk: bool = False
    datatype: Literal["float32", "float16"] = "float32"
    quantization: Literal["none", "int8"] = "none"

    def collection(self, dimension: int, nodes: int) -> dict[str, Any]:
        """The arguments of `create_collection` but name and metadata, on a cluster of `nodes` nodes.

        By default a release has one shard, on two nodes where there are two. The server does not count words: it would
        count them in each shard alone, and also those of replaced entries.
        """
        return {
            "vectors_config": {name: self._vectors(name, dimension) for name in (ANSWER, QUESTIONS, NEGATIVES)},
            "sparse_vectors_config": {BM25: models.SparseVectorParams()},
            "shard_number": self.shard_number or 1,
            "replication_factor": self.replication_factor or min(nodes, 2),
            "write_consistency_factor": self.write_consistency_factor or 1,
        }

    def _vectors(self, name: str, dimension: int) -> models.VectorParams:
        """One named vector. `negatives` are only read, so they get no graph and no quantised copies."""
        multi = models.MultiVectorConfig(comparator=models.MultiVectorComparator.MAX_SIM)
        searched = name != NEGATIVES
        int8 = models.ScalarQuantizationConfig(type=models.ScalarType.INT8, always_ram=True)
        return models.VectorParams(
            size=dimension,
            distance=models.Distance.DOT,
            multivector_config=multi,
            on_disk=self.on_disk,
            datatype=models.Datatype(self.datatype),
            hnsw_config=models.HnswConfigDiff(on_disk=self.on_disk) if searched else models.HnswConfigDiff(m=0),
            quantization_config=models.ScalarQuantization(scalar=int8)
            if searched and self.quantization == "int8"
            else None,
        )


def payload_indexes(record: IndexRecord) -> dict[str, models.PayloadSchemaType]:
    """The payload fields that queries filter by. A server in strict mode refuses to filter by any other."""
    fields = {path(field, kind): SCHEMAS[kind] for field, kinds in record.fields.items() for kind in kinds}
    names = dict.fromkeys(("id", KEYS), models.PayloadSchemaType.KEYWORD)
    return {**names, **dict.fromkeys((SINCE, UNTIL), models.PayloadSchemaType.INTEGER), **fields}


def alive(increment: int) -> models.Filter:
    """A filter for the points that an increment holds; 0: the publish.

    A point is added by one increment, `since`, and stays until an increment that replaces or removes it, `until`.
    """
    added = models.FieldCondition(key=SINCE, range=models.Range(lte=increment))
    closed = models.FieldCondition(key=UNTIL, range=models.Range(lte=increment))
    return models.Filter(must=[added], must_not=[closed])


def after(increment: int) -> models.Filter:
    """A filter for the points that a later increment added."""
    return models.Filter(must=[models.FieldCondition(key=SINCE, range=models.Range(gt=increment))])


def closed_after(increment: int) -> models.Filter:
    """A filter for the points that a later increment closed."""
    return models.Filter(must=[models.FieldCondition(key=UNTIL, range=models.Range(gt=increment))])
