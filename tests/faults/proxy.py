"""A TCP proxy whose faults a test controls, between the service and a Qdrant server or its stand-in."""

import asyncio
import threading
from typing import Literal

from tests.waiting import PATIENCE_S

Mode = Literal["pass", "reset", "delay", "hang", "errors", "cut", "away"]

ERROR = b"HTTP/1.1 503 Service Unavailable\r\ncontent-length: 2\r\nconnection: close\r\n\r\nno"
CUT = b'HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 1000\r\n\r\n{"result": '


class Proxy:
    """Listens on a port, forwards to `target`, and misbehaves as `mode` says; a thread of its own.

    reset: hangs up. delay: waits `delay_s` before each connection. hang: takes the request and never answers.
    errors: answers 503. cut: answers with the beginning of a body. away: cuts the open connections too, as a server
    that is killed does. `faulty` counts the connections so treated, and `first` limits a mode to that many of them.
    """

    def __init__(self, target: int, target_host: str = "127.0.0.1", host: str = "127.0.0.1", port: int = 0) -> None:
        """`port`: where it listens on `host`; 0 takes a free one, which `port` names once the proxy is entered."""
        self._target, self._target_host, self.host = target, target_host, host
        self.mode: Mode = "pass"
        self.delay_s = 0.0
        self.first: int | None = None
        self.faulty = 0
        self.connections = 0
        self.port = port
        self._loop = asyncio.new_event_loop()
        self._ready = threading.Event()
        self._tasks: set[asyncio.Task[None] | None] = set()  # asyncio itself refers to them weakly
        self._open: set[asyncio.StreamWriter] = set()  # both ends of what is forwarded
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> "Proxy":
        self._thread.start()
        assert self._ready.wait(PATIENCE_S)
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(PATIENCE_S)
        self._loop.close()

    def set(self, mode: Mode, *, delay_s: float = 0.0, first: int | None = None) -> None:
        """Misbehave from now on."""
        self.delay_s, self.first, self.faulty, self.connections, self.mode = delay_s, first, 0, 0, mode
        if mode == "away":
            self._loop.call_soon_threadsafe(self._hang_up)

    def _hang_up(self) -> None:
        for writer in self._open:
            writer.transport.abort()

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        server = self._loop.run_until_complete(asyncio.start_server(self._connected, self.host, self.port))
        self.port = server.sockets[0].getsockname()[1]
        self._ready.set()
        self._loop.run_forever()
        self._loop.run_until_complete(self._stop(server))

    async def _stop(self, server: asyncio.Server) -> None:
        """Accept nothing more, and end what is under way."""
        server.close()
        while tasks := asyncio.all_tasks() - {asyncio.current_task()}:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        await asyncio.sleep(0.01)  # for transports to close

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        self._tasks.add(task)
        try:
            self.connections += 1
            if self.mode != "pass" and (self.first is None or self.faulty < self.first):
                self.faulty += 1
                if await self._misbehave(self.mode, reader, writer):
                    return
            await self._forward(reader, writer)
        except OSError:
            pass
        finally:
            writer.close()
            self._tasks.discard(task)

    async def _misbehave(self, mode: Mode, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """Whether that was all; False for a connection that is forwarded late."""
        if mode in ("reset", "away"):
            writer.transport.abort()
        elif mode == "delay":
            await asyncio.sleep(self.delay_s)
            return False
        elif mode == "hang":
            await asyncio.sleep(3600)
        else:
            await reader.read(65536)
            writer.write(ERROR if mode == "errors" else CUT)
            await writer.drain()
        return True

    async def _forward(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        theirs, ours = await asyncio.open_connection(self._target_host, self._target)
        pair = {ours, writer}
        self._open |= pair
        try:
            await asyncio.gather(_pump(reader, ours), _pump(theirs, writer))
        finally:
            self._open -= pair
            ours.close()


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
        writer.write_eof()
    except OSError:  # either end is gone: so shall the other be
        writer.close()
