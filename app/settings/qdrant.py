"""The Qdrant server, and what several replicas share."""

from typing import Literal

from pydantic import BaseModel, Field, SecretStr


class QdrantSettings(BaseModel):
    """The Qdrant server, and what several replicas share."""

    qdrant_url: str | None = Field(
        None,
        description="URL of a Qdrant server, for several replicas or more than about 100,000 entries. Unset: the "
        "embedded index in FAQ_HOME, which needs no server and is several times faster on one machine. Of a cluster: "
        "comma-separated URLs of its nodes, tried in turn; with one URL, the loss of that node stops the answers.",
    )
    qdrant_api_key: SecretStr | None = Field(None, description="API key of the Qdrant server.")
    namespace: str = Field(
        "faqtual",
        max_length=40,
        pattern=r"^[a-z0-9]+(-[a-z0-9]+)*$",
        description="Prefix of all collections and aliases on the Qdrant server. Installations that share a server "
        "need one each, such as `staging`; two in one namespace would answer from the same releases.",
    )
    local_vectors: int = Field(
        100_000,
        ge=0,
        description="Largest number of vectors of a release (about six an entry) that a service with a Qdrant server "
        "copies to FAQ_HOME and answers from, as without a server: several times faster, and answers go on while the "
        "server is away. Takes disk and memory as without a server. 0: every question asks the server.",
    )
    qdrant_grpc_port: int = Field(
        6334,
        ge=0,
        le=65535,
        description="gRPC port of every Qdrant node, for questions that are asked of the server; they take half the "
        "CPU time that REST takes. Where it is closed REST answers, and the log says so. 0: REST alone.",
    )
    row_cache_mb: int = Field(
        256,
        ge=0,
        description="Memory of each process for entries read from a Qdrant server, some 8 kB each. One that is not in "
        "it is read again for each question that finds it. Used where FAQ_LOCAL_VECTORS does not apply.",
    )
    bundle_store: str | None = Field(
        None,
        description="Where bundles are kept for replicas with a FAQ_HOME of their own: a directory that all reach, or "
        "a URL such as s3://bucket/path (extra `bundles`). A publisher uploads the bundle before it switches; a "
        "replica that lacks it pulls it. Unset: copy bundles by hand, or share one FAQ_HOME.",
    )
    qdrant_replication_factor: int | None = Field(
        None,
        ge=1,
        description="On how many nodes of a Qdrant cluster each release is stored. Unset: 2 where there are several "
        "nodes, else 1. With 2 the loss of a node stops no answers; each further one takes as much memory again.",
    )
    qdrant_write_consistency_factor: int | None = Field(
        None,
        ge=1,
        description="How many of these nodes must confirm what is written. Unset: 1, and a release is published while "
        "a node is away, which catches up later. With 2, what a publish wrote survives the loss of a node at once, but "
        "publishing fails while a node is away.",
    )
    qdrant_shard_number: int | None = Field(
        None,
        ge=1,
        description="Into how many shards a release is divided. Unset: 1, which is fastest up to about a million "
        "entries. More shards spread memory and work over the nodes, and every question asks all of them.",
    )
    qdrant_on_disk: bool = Field(
        False,
        description="Keep vectors and their graph on the Qdrant server's disk, not in memory. Takes a fraction of the "
        "memory; a question takes milliseconds longer on an SSD, and much longer on a slow disk.",
    )
    qdrant_datatype: Literal["float32", "float16"] = Field(
        "float32",
        description="Numbers of the vectors on the Qdrant server. `float16` halves memory and disk; similarities "
        "change by about 0.0005.",
    )
    qdrant_quantization: Literal["none", "int8"] = Field(
        "none",
        description="`int8` searches copies of a quarter of the size, in memory, and compares the best again with the "
        "whole vectors. Fast with FAQ_QDRANT_ON_DISK; takes a quarter more disk and may miss an entry now and then.",
    )
