"""Qdrant nodes that a test can cut off: those of the server that QDRANT_URL names, or of the stand-in.

A test never harms the server itself, which may not be its own: it cuts the proxy before it.
"""

import asyncio
import os
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from urllib.parse import urlsplit

from tests.faults.proxy import Proxy
from tests.faults.stand_in import StandIn, stand_in
from tests.index.namespaces import empty, new_namespace

REST_PORT = 6333


def real_urls() -> list[str]:
    """The nodes of the server that QDRANT_URLS or QDRANT_URL names; none without them."""
    named = os.environ.get("QDRANT_URLS") or os.environ.get("QDRANT_URL") or ""
    return [url.strip() for url in named.split(",") if url.strip()]


class Nodes:
    """Nodes behind proxies; `urls` are those of the proxies. `stand_in`: None for a real server."""

    def __init__(self, proxies: Sequence[Proxy], running: StandIn | None) -> None:
        self.proxies = proxies
        self.stand_in = running
        self.urls = [f"http://127.0.0.1:{proxy.port}" for proxy in proxies]
        self.url = ",".join(self.urls)

    def leave(self) -> None:
        """Be away: the stand-in is killed, a real server is cut off."""
        for proxy in self.proxies:
            proxy.set("away")
        if self.stand_in:
            self.stand_in.kill()

    def come_back(self) -> None:
        """Be there again, with the same state."""
        if self.stand_in:
            self.stand_in.restart()
        for proxy in self.proxies:
            proxy.set("pass")

    @contextmanager
    def namespace(self) -> Iterator[str]:
        """A namespace that is emptied at the end."""
        name = new_namespace()
        try:
            yield name
        finally:
            asyncio.run(empty(self.url, name))


@contextmanager
def nodes_behind_proxies(count: int = 1) -> Iterator[Nodes]:
    """The nodes of the real server, or a stand-in of so many."""
    with ExitStack() as stack:
        running = None if real_urls() else stack.enter_context(stand_in(count))
        targets = [urlsplit(url) for url in (running.urls if running else real_urls())]
        proxies = [Proxy(target.port or REST_PORT, target.hostname or "127.0.0.1") for target in targets]
        yield Nodes([stack.enter_context(proxy) for proxy in proxies], running)
