"""The release that answers now. It is exchanged under load when endpoint, command line or trainer switch it."""

import asyncio
import logging
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from datetime import datetime
from pathlib import Path

from app.answering import Answerer
from app.encoding.bundle import TOKENIZER, Encoding
from app.errors import FaqError, NotReady
from app.index.protocol import IndexRecord
from app.ranking.adaptation import Adaptation
from app.releases.catalog import Catalog

KEEP_S = 10.0  # what was asked is added up with other processes, and written to disk, as often as that
POLL_S = 0.5  # a switch is noticed within this, and served as soon as the new release is open
logger = logging.getLogger(__name__)


class _Serving:
    """An answerer and the number of requests that use it; it is closed when it is retired and the last one is done."""

    def __init__(self, answerer: Answerer) -> None:
        self.answerer = answerer
        self.publish = _publish(answerer.index.record)
        self.users = 0
        self.retired_at: float | None = None
        self.known = answerer.adaptation.asked.model_copy(deep=True)  # what the disk knows was asked

    @property
    def done(self) -> bool:
        return self.retired_at is not None and self.users == 0

    def held(self, limit_s: float) -> bool:
        """Whether it was retired, less than `limit_s` ago."""
        return self.retired_at is not None and time.monotonic() - self.retired_at < limit_s


class Live:
    """Follows the pointer to the active release. Bundle and index are exchanged together or not at all.

    At most two publishes are open: a switch to a third one waits until no request uses the one that was replaced, but
    no longer than FAQ_REQUEST_TIMEOUT_MS. The increments of an open publish share its files, so they never wait.
    """

    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog
        self._serving: _Serving | None = None
        self._broken: tuple[str, str] | None = None  # what failed at the last attempt, and why
        self._watch: asyncio.Task[None] | None = None
        self._following = asyncio.Lock()
        self._keeping = asyncio.Lock()
        self._kept_at = time.monotonic()
        self._retired: set[_Serving] = set()  # those that are not closed yet
        self._closing: set[asyncio.Task[None]] = set()  # they close; no request waits for their threads
        self._closed_one = asyncio.Event()
        self._verifying: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Open the active release, if there is one, and keep following the pointer."""
        await self.follow()
        self._watch = asyncio.create_task(self._poll())

    async def close(self) -> None:
        """Stop following; release what is open."""
        for task in filter(None, (self._watch, self._verifying)):
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task
        await asyncio.gather(*self._closing, return_exceptions=True)
        if self._serving:
            await self._keep_asked(self._serving)
            await self._serving.answerer.close()
            self._serving = None

    @property
    def release(self) -> str | None:
        """The name of the release that answers now."""
        return self._serving.answerer.release if self._serving else None

    @property
    def created_at(self) -> datetime | None:
        """When the entries of that release were read from the store."""
        return datetime.fromisoformat(self._serving.answerer.index.record.created_at) if self._serving else None

    @property
    def calibrated(self) -> bool:
        """Whether that release, and its reranker where it has one, is calibrated for what it holds."""
        calibrated = self._serving.answerer.calibrated if self._serving else None
        return calibrated is not None and calibrated.calibration is not None and not calibrated.problems

    @property
    def adaptation(self) -> Adaptation | None:
        """What that release learns of the share of unanswerable questions."""
        return self._serving.answerer.adaptation if self._serving else None

    @asynccontextmanager
    async def answerer(self) -> AsyncIterator[Answerer]:
        """The present answerer, which stays whole until the block ends. Raises NotReady."""
        serving = self._serving
        if serving is None:
            raise NotReady(self._reason())
        serving.users += 1
        try:
            yield serving.answerer
        finally:
            serving.users -= 1
            self._close_if_done(serving)

    @property
    def problem(self) -> str | None:
        """Why the active release is not the one that answers; None where it is, or nothing is active."""
        return ": ".join(self._broken) if self._broken else None

    def encoding(self) -> tuple[Path | None, Encoding | None]:
        """The tokenizer's file and the length limits of the release that answers; None twice where there is none."""
        bundle = self._serving.answerer.bundle if self._serving else None
        return (bundle.directory / TOKENIZER, bundle.manifest.encoding) if bundle else (None, None)

    def _reason(self) -> str:
        if self.problem:
            return self.problem
        return "There is nothing to answer from yet. Train and publish: `make run`, or `python -m trainer publish`."

    async def _poll(self) -> None:
        while True:
            await asyncio.sleep(POLL_S)
            try:
                await self.follow()
                if self._serving and time.monotonic() - self._kept_at >= KEEP_S:
                    await self._keep_asked(self._serving)
            except Exception:
                logger.exception("Following the active release failed; it is tried again")

    async def _keep_asked(self, serving: _Serving) -> None:
        """Add what was asked of a release to what is on disk. A disk that refuses is tried again later."""
        adaptation, shares = serving.answerer.adaptation, self._catalog.shares
        async with self._keeping:
            self._kept_at = time.monotonic()
            if not adaptation.counting:
                return
            asked = adaptation.asked.model_copy(deep=True)
            with suppress(OSError):
                total = await asyncio.to_thread(shares.add, serving.answerer.release, asked, serving.known)
                adaptation.asked, serving.known = total.plus(adaptation.asked, asked), total

    async def follow(self) -> None:
        """Serve what the pointer says. What cannot be opened is logged, and the present release goes on.

        Waits for another publish to be closed where two are open; the release that is active then is served, and those
        between are skipped.
        """
        async with self._following:
            subject = "The active release cannot be looked up"
            try:
                active = await self._catalog.active()
                while active not in (None, self.release) and await self._is_full(active):
                    self._closed_one.clear()
                    with suppress(TimeoutError):
                        await asyncio.wait_for(self._closed_one.wait(), POLL_S)
                    active = await self._catalog.active()
                if active is None or active == self.release:
                    self._recovered()
                    return
                subject = f"The release {active} cannot be served"
                first = self._serving is None and self._broken is None  # nothing answers while files are compared
                await self._exchange(await self._catalog.open(active, at_once=first))
                if first and self._serving:
                    self._verifying = asyncio.create_task(self._verify(self._serving))
            except FaqError as error:
                self._log_failure(subject, str(error))

    async def _is_full(self, release: str) -> bool:
        """Whether two publishes are open, and the release is of neither."""
        limit_s = self._catalog.settings.request_timeout_ms / 1000
        publishes = {serving.publish for serving in self._retired if serving.held(limit_s)}
        if self._serving:
            publishes.add(self._serving.publish)
        if len(publishes) < 2:
            return False
        records = await self._catalog.indexes.records()
        return not any(record.name == release and _publish(record) in publishes for record in records)

    async def _exchange(self, answerer: Answerer) -> None:
        await answerer.encode(["ready?"])  # the first run allocates; let no request wait for it
        before, self._serving, self._broken = self._serving, _Serving(answerer), None
        logger.info("Answering from %s", answerer.release)
        for problem in answerer.calibrated.problems if answerer.calibrated else ():
            logger.info("%s: its model states the confidence, not fitted to this FAQ. %s", answerer.release, problem)
        if before:
            await self._keep_asked(before)
            self._retire(before)

    async def _verify(self, serving: _Serving) -> None:
        """Stop serving a release whose files are damaged; the next attempt compares them before it serves."""
        try:
            await serving.answerer.index.verified()
        except FaqError as error:
            if self._serving is serving:
                self._log_failure(f"The release {serving.answerer.release} cannot be served", str(error))
                self._serving = None
                self._retire(serving)

    def _retire(self, serving: _Serving) -> None:
        serving.retired_at = time.monotonic()
        self._retired.add(serving)
        self._close_if_done(serving)

    def _close_if_done(self, serving: _Serving) -> None:
        if serving.done:
            task = asyncio.create_task(serving.answerer.close())
            self._closing.add(task)
            task.add_done_callback(lambda task: self._closed(serving, task))

    def _closed(self, serving: _Serving, task: asyncio.Task[None]) -> None:
        self._closing.discard(task)
        self._retired.discard(serving)
        self._closed_one.set()
        if not task.cancelled() and (error := task.exception()):
            logger.error("A release that was replaced could not be closed", exc_info=error)

    def _log_failure(self, subject: str, reason: str) -> None:
        """Log the first failure of a kind; it is tried again every POLL_S, and the words of the reason may change."""
        if self._broken is None or self._broken[0] != subject:
            logger.error("%s: %s", subject, reason)
        self._broken = subject, reason

    def _recovered(self) -> None:
        if self._broken:
            logger.info("No longer: %s", ": ".join(self._broken))
            self._broken = None


def _publish(record: IndexRecord) -> str:
    """The name of the publish that a release is, or extends."""
    return record.base or record.name
