"""One worker process, as the parent sees it: started, replaced when it ends, and stopped."""

import asyncio
import logging
import multiprocessing
import os
import signal
import socket
from collections.abc import Callable
from contextlib import ExitStack, suppress
from multiprocessing.context import ForkServerProcess
from pathlib import Path

from app.http.shared import CONNECTIONS, TAKEN, Shared
from app.releases.remote import Channel, Message
from app.serving import worker
from app.serving.handover import hand_over
from app.serving.server import SHUTDOWN_S
from app.settings import Settings

SOON_S, LONGEST_S = 0.2, 30.0  # before a process that ended is replaced; doubles while it ends before it has served
KILL_S = SHUTDOWN_S + 5.0  # for a process to stop before it is killed

NOT_STARTED = -1  # in place of an exit status

CONTEXT = multiprocessing.get_context("forkserver")  # which forks from a process without threads

logger = logging.getLogger(__name__)


class Child:
    """Keeps one worker process running, from its first start until `stop`."""

    def __init__(self, number: int, settings: Settings, shared: Shared, metrics: Path) -> None:
        """`metrics`: the directory that the worker processes share."""
        self.ready = False  # whether it takes connections
        self._number, self._settings, self._shared, self._metrics = number, settings, shared, metrics
        self._process: ForkServerProcess | None = None
        self._connections: socket.socket | None = None
        self._channel: Channel | None = None
        self._told: Message | None = None
        self._handed = 0
        self._served = False  # whether the present or last process has taken connections
        self._stopping = asyncio.Event()

    @property
    def load(self) -> int:
        """How many connections it has, with those that it has not taken yet."""
        waiting = self._handed - self._shared.counted(TAKEN, self._number)
        return self._shared.counted(CONNECTIONS, self._number) + waiting

    def hand(self, connection: socket.socket) -> bool:
        """Hand it a connection; whether it could take it."""
        if self._connections is None or not hand_over(connection, self._connections):
            return False
        self._handed += 1
        return True

    async def keep(self, on_ready: Callable[[], None], receive: Callable[[Message], None]) -> int:
        """Run the process, and another one when it ends, until `stop`. Returns the exit status of one that ended
        before any had been ready.

        `on_ready` is called each time that it takes connections, `receive` with each message that it sends.
        """
        wait_s, ever_served = SOON_S, False
        while not self._stopping.is_set():
            status = await self._run(on_ready, receive)
            ever_served = ever_served or self._served
            if self._stopping.is_set():
                break
            if status > 0 and not ever_served:  # it has said why
                return status
            wait_s = SOON_S if self._served else min(2 * wait_s, LONGEST_S)
            logger.error("The worker process %d ended with status %d; another one starts", self._number, status)
            with suppress(TimeoutError):
                await asyncio.wait_for(self._stopping.wait(), wait_s)
        return 0

    def tell(self, message: Message) -> None:
        """Send a message to the process, unless it is the one that it was sent last."""
        if self._channel and message != self._told:
            self._channel.send(**message)
            self._told = message

    def stop(self) -> None:
        """Let the process finish its open requests and end."""
        self._stopping.set()
        self._signal(signal.SIGTERM)

    def kill(self) -> None:
        """End the process at once."""
        self._stopping.set()
        self._signal(signal.SIGKILL)

    async def _run(self, on_ready: Callable[[], None], receive: Callable[[Message], None]) -> int:
        """One process, from its start to its end. Returns its exit status."""
        self._served, self._handed, self._told = False, 0, None
        self._shared.forget(self._number)
        with ExitStack() as stack:
            connections, its_connections = map(stack.enter_context, socket.socketpair())
            channel, its_channel = map(stack.enter_context, socket.socketpair())
            given = (self._number, self._settings, self._shared, self._metrics, its_connections, its_channel)
            self._process = CONTEXT.Process(target=worker.run, args=given)
            try:
                await asyncio.to_thread(self._process.start)
            except (OSError, EOFError) as error:  # such as too many processes
                logger.error("The worker process %d cannot be started: %s", self._number, error)
                return NOT_STARTED
            its_connections.close()
            its_channel.close()
            if self._stopping.is_set():
                self._signal(signal.SIGTERM)
            listening = asyncio.create_task(self._listen(connections, channel, on_ready, receive))
            status = await _ended(self._process)
            self.ready, self._process, self._channel, self._connections = False, None, None, None
            self._shared.forget(self._number)
            listening.cancel()
            await asyncio.gather(listening, return_exceptions=True)
        return status

    async def _listen(
        self,
        connections: socket.socket,
        channel: socket.socket,
        on_ready: Callable[[], None],
        receive: Callable[[Message], None],
    ) -> None:
        """Wait until the process is ready, and listen to it."""
        connections.setblocking(False)
        if not await asyncio.get_running_loop().sock_recv(connections, 1):
            return
        self._channel = await Channel.of(channel)
        self._connections, self.ready, self._served = connections, True, True
        on_ready()
        await self._channel.receive(receive)

    def _signal(self, number: int) -> None:
        if self._process and self._process.pid:  # it has none while it is being started
            with suppress(ProcessLookupError):
                os.kill(self._process.pid, number)


async def _ended(process: ForkServerProcess) -> int:
    """Wait for a process; its exit status, negative where a signal ended it."""
    ended = asyncio.Event()
    loop = asyncio.get_running_loop()
    loop.add_reader(process.sentinel, ended.set)
    try:
        await ended.wait()
    finally:
        loop.remove_reader(process.sentinel)
    process.join()
    status = process.exitcode
    process.close()
    return status or 0
