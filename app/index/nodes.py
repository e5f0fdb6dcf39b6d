"""The nodes of a Qdrant cluster behind one client: where a node is away, the next is asked."""

from collections.abc import Awaitable, Callable, Iterator, Sequence
from typing import Any, cast
from urllib.parse import urlsplit

from qdrant_client import AsyncQdrantClient

from app.errors import SettingsError
from app.index.failures import is_failure, not_sent
from app.index.grpc_reads import GrpcReads
from app.index.node import Node
from app.index.resilience import READS, Guarded

SETTLE_S = 30.0
TIMEOUT_S = 5  # of a call that names no other; a search takes milliseconds
GRPC_PORT = 6334


class Nodes:
    """Has the coroutine methods of `Node`, and sends each call to the node that answered last.

    A read goes to every node in turn until one answers. A change goes to the next node only if it was not sent, so it
    is never made twice. Errors are those of `Guarded`.
    """

    def __init__(self, nodes: Sequence[AsyncQdrantClient | Node], settle_s: float = SETTLE_S) -> None:
        """A node given as its client is asked by REST alone.

        `settle_s`: how long a node may take to show what was written; see `index.settling`.
        """
        self.settle_s = settle_s
        self._guarded = [Guarded(node if isinstance(node, Node) else Node(node)) for node in nodes]
        self._preferred = 0

    @classmethod
    def connect(cls, urls: str, api_key: str | None = None, grpc_port: int = GRPC_PORT) -> "Nodes":
        """The nodes at these comma-separated URLs; nothing is sent yet. Raises SettingsError for what is no URL.

        `grpc_port`: of every node; 0: questions go by REST.
        """
        parts = filter(None, (part.strip() for part in urls.split(",")))
        nodes = [_node(url, api_key, grpc_port) for url in parts]
        if not nodes:
            raise SettingsError(f"FAQ_QDRANT_URL={urls} has no URL of a server, such as http://qdrant:6333.")
        return cls(nodes)

    @property
    def each(self) -> list[AsyncQdrantClient]:
        """A client for each node alone."""
        return [cast(AsyncQdrantClient, node) for node in self._guarded]

    async def close(self) -> None:
        """Close every connection."""
        for node in self._guarded:
            await node.close()

    def __getattr__(self, name: str) -> Callable[..., Awaitable[Any]]:
        async def call(*args: Any, **kwargs: Any) -> Any:  # noqa: ANN401 - as the client has it
            *others, last = self._in_turn()
            for position in others:
                try:
                    return await self._ask(position, name, args, kwargs)
                except Exception as error:
                    if not (not_sent(error) or (name in READS and is_failure(error))):
                        raise
            return await self._ask(last, name, args, kwargs)

        return call

    def _in_turn(self) -> Iterator[int]:
        count = len(self._guarded)
        return ((self._preferred + offset) % count for offset in range(count))

    async def _ask(self, position: int, name: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:  # noqa: ANN401
        result = await getattr(self._guarded[position], name)(*args, **kwargs)
        self._preferred = position
        return result


def _node(url: str, api_key: str | None, grpc_port: int) -> Node:
    try:
        client = AsyncQdrantClient(url=url, api_key=api_key, timeout=TIMEOUT_S, check_compatibility=False)
    except ValueError as error:
        raise SettingsError(
            f"FAQ_QDRANT_URL={url} is not the URL of a server, as http://qdrant:6333 is. Several are separated by "
            "commas."
        ) from error
    if not grpc_port:
        return Node(client)
    parts = urlsplit(url)
    host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname
    return Node(client, GrpcReads(f"{host}:{grpc_port}", api_key, tls=parts.scheme == "https"))
