"""Namespaces of tests on a Qdrant server, which is not theirs: each is new, and emptied afterwards."""

import secrets

from app.index.server import ServerStore


def new_namespace() -> str:
    """A name that nobody uses."""
    return f"test-{secrets.token_hex(4)}"


async def empty(urls: str, namespace: str) -> None:
    """Delete every collection and alias of a namespace."""
    store = ServerStore.connect(urls, namespace=namespace, grpc_port=0)
    try:
        for release in reversed(await store.names()):
            await store.drop(release)
        await store.sweep()
    finally:
        await store.close()
