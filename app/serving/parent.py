"""The parent of several worker processes: owns FAQ_HOME and the port, builds releases, and answers nothing itself.

It accepts connections and hands each to the worker process that has fewest. A worker process that ends is replaced.
uvicorn's own supervisor is not used: its workers outlive a parent that is killed, they share the listening socket, and
it runs nothing else beside them.
"""

import asyncio
import logging
import os
import signal
import socket
import tempfile
from contextlib import AsyncExitStack
from pathlib import Path

from app.backups.owning import own_home
from app.http.security import with_admin_key
from app.http.shared import Shared
from app.jobs.jobs import Jobs
from app.releases.catalog import Catalog
from app.releases.pointer import Pointer
from app.releases.remote import Message, known
from app.releases.updater import Updater
from app.releases.worker import Worker
from app.serving.child import CONTEXT, KILL_S, Child
from app.serving.server import BACKLOG
from app.settings import Settings

POLL_S = 0.5  # the active release is looked up, and worker processes are told what changed, as often as that
FULL_S = 0.01  # no worker process can take a connection: try again after this

logger = logging.getLogger(__name__)


class Parent:
    """The service as several processes."""

    def __init__(self, settings: Settings, listener: socket.socket) -> None:
        """`listener`: bound, and not listening yet."""
        self._settings, self._listener = settings, listener
        self._stopping = asyncio.Event()
        self._ready = asyncio.Event()  # whether any worker process takes connections
        self._signals = 0

    async def run(self) -> int:
        """Serve until a signal; the exit status."""
        async with AsyncExitStack() as stack:
            store = stack.enter_context(own_home(self._settings))
            settings = with_admin_key(self._settings)
            catalog = Catalog(settings)
            stack.push_async_callback(catalog.close)
            pointer, jobs = Pointer(catalog), Jobs(store.database)
            await pointer.follow()
            self._worker = Worker(settings, jobs)
            stack.push_async_callback(self._worker.close)
            self._updater = Updater(settings.auto_reindex, store, pointer, self._worker, jobs)
            stack.push_async_callback(self._updater.close)
            shared = Shared.created(settings.workers)
            stack.callback(shared.close)
            metrics = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="faqtual-metrics-")))
            os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # its threads would start before the fork server forks
            CONTEXT.set_forkserver_preload(["app.serving.preload"])
            self._children = [Child(number, settings, shared, metrics) for number in range(settings.workers)]
            self._updater.start()
            return await self._served(pointer)

    async def _served(self, pointer: Pointer) -> int:
        """Run the worker processes until a signal, or until one cannot start; the exit status."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._on_signal)
        kept = [asyncio.create_task(child.keep(self._ready.set, self._on_message)) for child in self._children]
        tasks = [asyncio.create_task(self._accept()), asyncio.create_task(self._tell(pointer))]
        stopping = asyncio.create_task(self._stopping.wait())
        try:
            await asyncio.wait([stopping, *kept, *tasks], return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            self._listener.close()
            await self._stop_children(kept)
        ended = [task.result() for task in kept]
        return max(ended)

    async def _stop_children(self, kept: "list[asyncio.Task[int]]") -> None:
        """Let them finish their requests, and kill those that do not end."""
        for child in self._children:
            child.stop()
        _, late = await asyncio.wait(kept, timeout=KILL_S)
        for child in self._children if late else ():
            child.kill()
        await asyncio.wait(kept)

    async def _accept(self) -> None:
        """Hand each connection to the worker process that has fewest."""
        await self._ready.wait()
        self._listener.listen(BACKLOG)
        self._listener.setblocking(False)
        logger.info("%d worker processes answer", len(self._children))
        loop = asyncio.get_running_loop()
        while True:
            try:
                connection, _ = await loop.sock_accept(self._listener)
            except OSError as error:  # such as too many open files
                logger.error("A connection cannot be accepted: %s", error)
                await asyncio.sleep(POLL_S)
                continue
            with connection:
                while not self._handed(connection):  # noqa: ASYNC110 - there is no event for it
                    await asyncio.sleep(FULL_S)

    def _handed(self, connection: socket.socket) -> bool:
        ready = [child for child in self._children if child.ready]
        return any(child.hand(connection) for child in sorted(ready, key=lambda child: child.load))

    async def _tell(self, pointer: Pointer) -> None:
        """Follow the active release, and tell each worker process what the updater knows."""
        while True:
            message = known(self._updater.failure, self._updater.seen)
            for child in self._children:
                child.tell(message)
            await asyncio.sleep(POLL_S)
            await pointer.follow()

    def _on_message(self, message: Message) -> None:
        if "run" in message:
            self._worker.run(message["run"])
        else:
            self._updater.notify()

    def _on_signal(self) -> None:
        """Stop; a second signal does not wait for open requests."""
        self._signals += 1
        self._stopping.set()
        for child in self._children if self._signals > 1 else ():
            child.kill()
