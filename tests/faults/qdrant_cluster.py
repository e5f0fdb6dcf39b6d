"""The nodes of a stand-in for Qdrant: what each shows, when, and how they behave."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any

import uvicorn
from pydantic import BaseModel
from qdrant_client import AsyncQdrantClient
from starlette.applications import Starlette

from tests.faults.qdrant_journal import Journal

Change = Callable[[AsyncQdrantClient], Awaitable[Any]]


class Behaviour(BaseModel):
    """How the nodes behave from now on; times in seconds."""

    lag_s: float = 0.0  # after which other nodes show a change
    own_lag_s: float = 0.0  # after which the node that took a change shows it, though it answered at once
    lags_s: dict[int, float] = {}  # by the positions of nodes that lag more or less than the others
    yellow_s: float = 0.0  # for which a new collection is not yet indexed; the status is yellow
    lost: list[int] = []  # nodes that refuse connections, by their positions


class Cluster:
    """The nodes. Every change is made on a copy of its own first, which says whether it is valid."""

    def __init__(self, ports: list[int], application: "Application") -> None:
        """`application`: makes the server of a node."""
        self.application = application
        self.behaviour = Behaviour()
        self.journal: Journal | None = None
        self.created: dict[str, float] = {}
        self.largest = 0  # bytes of the largest request so far
        self._leader = AsyncQdrantClient(":memory:")
        self._order = asyncio.Lock()
        self.nodes = [Node(self, position, port) for position, port in enumerate(ports)]

    async def change(self, node: "Node", change: Change, request: tuple[str, str, bytes]) -> None:
        """Make a change that `node` took; `request`: its method, path and body, for the journal."""
        async with self._order:
            await change(self._leader)
            if self.journal:
                self.journal.append(*request)
            for each in self.nodes:
                lag = self.behaviour.own_lag_s if each is node else self.behaviour.lag_s
                each.take(change, time.monotonic() + self.behaviour.lags_s.get(each.position, lag))
        if not self.behaviour.own_lag_s:
            await node.caught_up()

    async def behave(self, behaviour: Behaviour) -> None:
        """Behave so from now on; returns when the lost nodes have stopped."""
        self.behaviour = behaviour
        for position, node in enumerate(self.nodes):
            await (node.stop() if position in behaviour.lost else node.start())


Application = Callable[[Cluster, "Node"], Starlette]


class Node:
    """One node: what it shows, and its server."""

    def __init__(self, cluster: Cluster, position: int, port: int) -> None:
        self.client = AsyncQdrantClient(":memory:")
        self._cluster, self.position, self._port = cluster, position, port
        self._changes: asyncio.Queue[tuple[Change, float]] = asyncio.Queue()
        self._applying = asyncio.create_task(self._apply())
        self._server: uvicorn.Server | None = None
        self._serving: asyncio.Task[None] | None = None

    def take(self, change: Change, at: float) -> None:
        self._changes.put_nowait((change, at))

    async def caught_up(self) -> None:
        await self._changes.join()

    async def _apply(self) -> None:
        while True:
            change, at = await self._changes.get()
            await asyncio.sleep(max(0.0, at - time.monotonic()))
            await change(self.client)
            self._changes.task_done()

    async def start(self) -> None:
        if self._server is None:
            config = uvicorn.Config(
                self._cluster.application(self._cluster, self), port=self._port, log_level="warning"
            )
            self._server = uvicorn.Server(config)
            self._serving = asyncio.create_task(self._server.serve())  # `StandIn` waits until it answers

    async def stop(self) -> None:
        if self._server and self._serving:  # it has answered, as only nodes that did are lost
            self._server.should_exit = self._server.force_exit = True
            await self._serving
            self._server = None
