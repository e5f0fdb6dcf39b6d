"""The real Qdrant server that the tests may use, as the environment names it."""

import os

GRPC_PORT = 6334


def real_urls() -> list[str]:
    """The nodes of the server that QDRANT_URLS or QDRANT_URL names; none without them."""
    named = os.environ.get("QDRANT_URLS") or os.environ.get("QDRANT_URL") or ""
    return [url.strip() for url in named.split(",") if url.strip()]


def real_grpc_port() -> int:
    """The gRPC port of every node of that server."""
    return int(os.environ.get("QDRANT_GRPC_PORT", str(GRPC_PORT)))
