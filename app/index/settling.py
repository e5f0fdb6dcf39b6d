"""Waits until a Qdrant cluster shows what was written, and until its indexes are built.

A node may answer a change before it shows the change, and the other nodes show it later still (about 30 ms were seen on
three nodes). So nothing that was written is relied on before every node that answers shows it.
"""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable

import stamina
from qdrant_client import AsyncQdrantClient, models

from app.errors import IndexUnavailable
from app.index.failures import is_missing, is_present, passes
from app.index.nodes import Nodes

STALLED_S = 600.0  # how long a collection may stay as it is without being green
REPORT_S = 10.0  # between two lines of the log about a wait
CALL_S = 60  # of a change
FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.01, 1.0
logger = logging.getLogger(__name__)

Look = Callable[[AsyncQdrantClient], Awaitable[bool]]
Waiting = Callable[[], object]  # called while a wait goes on; may raise to stop it


async def taken(change: Callable[[], Awaitable[object]], break_s: float) -> None:
    """Make a change, again while the server is away or busy, for up to `break_s`; the change must be idempotent.

    A collection that exists already is no error: an earlier attempt made it, as no name is used twice.
    """
    async for attempt in stamina.retry_context(on=passes, attempts=None, timeout=break_s, wait_max=10.0):
        with attempt:
            try:
                await change()
            except Exception as error:
                if not (attempt.num > 1 and is_present(error)):
                    raise


async def shown(nodes: Nodes, what: str, look: Look) -> None:
    """Return when `look` is true on every node that answers, and at least one does.

    A node that does not answer is left out: it applies the same changes before it answers again. Raises
    IndexUnavailable, naming `what`, after `nodes.settle_s`, or the error of the nodes where none answers.
    """
    deadline, pause = time.monotonic() + nodes.settle_s, FIRST_PAUSE_S
    while True:
        looks = await asyncio.gather(*(_looked(node, look) for node in nodes.each))
        lagging = False in looks
        if True in looks and not lagging:
            return
        if time.monotonic() > deadline:
            break
        await asyncio.sleep(pause)
        pause = min(2 * pause, LONGEST_PAUSE_S)
    if not lagging:
        raise next(look for look in looks if isinstance(look, Exception))
    raise IndexUnavailable(f"Qdrant took {what}, but after {nodes.settle_s:g} s a node of it still does not show it.")


async def _looked(node: AsyncQdrantClient, look: Look) -> bool | Exception:
    """What `look` returns, False where the node does not know the collection yet, or the error of an absent node."""
    try:
        return await look(node)
    except Exception as error:
        if is_missing(error):
            return False
        if passes(error):
            return error
        raise


async def green(nodes: Nodes, collection: str, waiting: Waiting) -> None:
    """Return when every index of a collection is built. Logs the progress.

    Raises IndexUnavailable where Qdrant says that building failed, or nothing changes for STALLED_S. A server that goes
    away in between is waited for as long.
    """
    started = moved = reported = time.monotonic()
    before: tuple[str, int | None] | None = None
    pause, restarted = FIRST_PAUSE_S, False
    while True:
        now = time.monotonic()
        info = await _info(nodes, collection)
        if info is not None and _is_built(info, collection):
            return
        state = None if info is None else (info.status.value, info.indexed_vectors_count)
        if state != before:
            before, moved = state, now
        if now - moved > STALLED_S:
            raise IndexUnavailable(f"Qdrant has not gone on indexing {collection} for {STALLED_S:g} s: {_words(info)}.")
        if now - reported > REPORT_S:
            reported = now
            logger.info("Qdrant has been indexing %s for %.0f s: %s", collection, now - started, _words(info))
        if info is not None and info.status == models.CollectionStatus.GREY and not restarted:
            restarted = True  # after a restart Qdrant waits for a change before it goes on
            await _restart(nodes, collection)
        waiting()
        await asyncio.sleep(pause)
        pause = min(2 * pause, LONGEST_PAUSE_S)


async def _restart(nodes: Nodes, collection: str) -> None:
    """Change nothing of the collection, which makes a restarted server go on indexing."""
    try:
        await nodes.update_collection(collection, optimizers_config=models.OptimizersConfigDiff(), timeout=CALL_S)
    except Exception as error:
        if not passes(error):
            raise


async def _info(nodes: Nodes, collection: str) -> models.CollectionInfo | None:
    """The state of a collection; None while the server is away or slow to answer."""
    try:
        info: models.CollectionInfo = await nodes.get_collection(collection)
    except Exception as error:
        if not passes(error):
            raise
        return None
    return info


def _is_built(info: models.CollectionInfo, collection: str) -> bool:
    """Raises IndexUnavailable where it cannot be built."""
    failed = getattr(info.optimizer_status, "error", None)
    if failed or info.status == models.CollectionStatus.RED:
        raise IndexUnavailable(
            f"Qdrant cannot index {collection}: {failed or 'its status is red; the log of the server says why'}."
        )
    return info.status == models.CollectionStatus.GREEN


def _words(info: models.CollectionInfo | None) -> str:
    if info is None:
        return "it does not answer"
    return f"status {info.status.value}, {info.indexed_vectors_count or 0:,} vectors are indexed"
