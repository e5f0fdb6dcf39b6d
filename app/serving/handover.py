"""How the parent hands connections to worker processes: as file descriptors over a Unix socket, one byte with each.

The kernel shares a listening socket unevenly: one of several processes that wait on it accepts most connections of a
burst, and keeps them. So the parent accepts, and each connection goes to the worker process that has fewest.
"""

import asyncio
import socket
from collections.abc import Callable
from contextlib import suppress

import uvicorn

from app.http.shared import CONNECTIONS, TAKEN, Shared

READY = b"r"
HANDED_S = 0.1  # for connections that were handed over before the process stops to begin their requests
AT_ONCE = 16  # connections that are taken before others get a turn


class Handed(uvicorn.Server):
    """The server of a worker process, which listens to no address: its connections come from the parent."""

    def __init__(self, config: uvicorn.Config, parent: socket.socket, shared: Shared) -> None:
        super().__init__(config)
        self._parent, self._shared = parent, shared
        self._taken = 0
        self._opening: set[asyncio.Task[object]] = set()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start the application, then say so to the parent and take connections."""
        await super().startup(sockets=[])
        self._parent.setblocking(False)
        asyncio.get_running_loop().add_reader(self._parent, self._take)
        self._parent.send(READY)

    async def on_tick(self, counter: int) -> bool:
        """Ten times a second: also say how many connections there are."""
        self._shared.count(CONNECTIONS, len(self.server_state.connections) + len(self._opening))
        self._shared.count(TAKEN, self._taken)
        return await super().on_tick(counter)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Take no more connections, and finish those that are open or were handed over already."""
        with suppress(OSError):  # the parent has ended
            self._parent.shutdown(socket.SHUT_RD)  # it hands connections to others from now on
        await asyncio.sleep(HANDED_S)
        await super().shutdown(sockets=[])

    def _take(self) -> None:
        for _ in range(AT_ONCE):
            try:
                byte, descriptors, _, _ = socket.recv_fds(self._parent, 1, 1)
            except BlockingIOError:
                return
            if not byte:  # the parent has ended
                asyncio.get_running_loop().remove_reader(self._parent)
                return
            for descriptor in descriptors:
                self._open(socket.socket(fileno=descriptor))

    def _open(self, connection: socket.socket) -> None:
        self._taken += 1
        connection.setblocking(False)
        opening = asyncio.get_running_loop().create_task(
            asyncio.get_running_loop().connect_accepted_socket(self._protocol, connection)
        )
        self._opening.add(opening)
        opening.add_done_callback(self._opened)

    def _opened(self, opening: "asyncio.Task[object]") -> None:
        self._opening.discard(opening)
        if not opening.cancelled():
            opening.exception()  # the client has gone already

    def _protocol(self) -> asyncio.Protocol:
        protocol: Callable[..., asyncio.Protocol] = self.config.http_protocol_class
        return protocol(config=self.config, server_state=self.server_state, app_state=self.lifespan.state)


def hand_over(connection: socket.socket, worker: socket.socket) -> bool:
    """Send a connection to a worker process; whether it could take it."""
    try:
        socket.send_fds(worker, [b"c"], [connection.fileno()])
    except OSError:  # it has ended, or so many wait for it that its socket is full
        return False
    return True
