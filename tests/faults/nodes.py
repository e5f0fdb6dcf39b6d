"""Qdrant nodes that a test can cut off: those of the server that QDRANT_URL names, or of the stand-in.

A test never harms the server itself, which may not be its own: it cuts the proxy before it.
"""

import asyncio
import socket
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from urllib.parse import urlsplit

from tests.faults.proxy import Mode, Proxy
from tests.faults.real import real_grpc_port, real_urls
from tests.faults.service import free_port
from tests.faults.stand_in import StandIn, stand_in
from tests.index.namespaces import empty, new_namespace

REST_PORT = 6333


class Nodes:
    """Nodes behind proxies, one each for REST and, on a real server, one for gRPC.

    `urls` and `grpc_port` are those of the proxies; the port is 0 where there is no gRPC. `stand_in`: None for a real
    server.
    """

    def __init__(self, rest: Sequence[Proxy], grpc: Sequence[Proxy], running: StandIn | None) -> None:
        self.proxies = rest
        self.stand_in = running
        self.urls = [f"http://{proxy.host}:{proxy.port}" for proxy in rest]
        self.url = ",".join(self.urls)
        self.grpc_port = grpc[0].port if grpc else 0
        self._grpc = grpc

    def set(self, mode: Mode, *positions: int) -> None:
        """Have the proxies of these nodes, by default of all, misbehave; see `Proxy`."""
        for position in positions or range(len(self.proxies)):
            for proxies in filter(None, (self.proxies, self._grpc)):
                proxies[position].set(mode)

    def leave(self) -> None:
        """Be away: the stand-in is killed, a real server is cut off."""
        self.set("away")
        if self.stand_in:
            self.stand_in.kill()

    def come_back(self) -> None:
        """Be there again, with the same state."""
        if self.stand_in:
            self.stand_in.restart()
        self.set("pass")

    @contextmanager
    def namespace(self) -> Iterator[str]:
        """A namespace that is emptied at the end."""
        name = new_namespace()
        try:
            yield name
        finally:
            self.set("pass")
            asyncio.run(empty(self.url, name))


@contextmanager
def nodes_behind_proxies(count: int = 1) -> Iterator[Nodes]:
    """The nodes of the real server, or a stand-in of so many."""
    with ExitStack() as stack:
        running = None if real_urls() else stack.enter_context(stand_in(count))
        targets = [urlsplit(url) for url in (running.urls if running else real_urls())]
        rest, grpc = [], []
        port = 0 if running else _grpc_port(targets[0].hostname or "127.0.0.1")
        for number, target in enumerate(targets, start=1):
            host = target.hostname or "127.0.0.1"
            own = f"127.0.0.{number}" if port else "127.0.0.1"  # so that all have one gRPC port
            rest.append(stack.enter_context(Proxy(target.port or REST_PORT, host, own)))
            if port:
                grpc.append(stack.enter_context(Proxy(real_grpc_port(), host, own, port)))
        yield Nodes(rest, grpc, running)


def _grpc_port(host: str) -> int:
    """A port for the proxies of gRPC; 0 where the server does not listen for it."""
    try:
        socket.create_connection((host, real_grpc_port()), timeout=2).close()
    except OSError:
        return 0
    return free_port()
