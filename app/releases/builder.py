"""Builds releases as jobs, one at a time: whole ones, and what brings the active one up to date.

A builder keeps what the next build needs too: the connections, the encoder, the vector cache. The command line uses one
for one build, the warm worker one for all builds of its life.
"""

import asyncio
import logging
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import datetime
from functools import partial
from typing import TypeVar

from app.encoding.bundle import Bundle
from app.errors import Busy, FaqError, StoreError
from app.index.protocol import Index
from app.jobs import lock
from app.jobs.jobs import Jobs, Work
from app.knowledge.patience import patiently
from app.knowledge.store import Store
from app.knowledge.wishes import Wished, Wishes
from app.releases.catalog import Catalog
from app.releases.erasing import drop_holding
from app.releases.gate import Gate
from app.releases.increments import refit, update
from app.releases.labelled import labelled
from app.releases.opened import OpenBundle, Progress
from app.releases.publishing import publish_opened
from app.releases.replicas import Replicas
from app.releases.sources import Source, load
from app.releases.turns import REINDEX, UPDATE, patient
from app.settings import Settings

logger = logging.getLogger(__name__)
ERASURE = "erasure"  # what lets a release pass that breaks golden questions: an erased entry must go
T = TypeVar("T")


class Builder:
    """Opens the store and the indexes of `settings`. Close it. Raises SettingsError, StoreError."""

    def __init__(self, settings: Settings, processes: int = 1) -> None:
        """`processes`: that encode the texts of a build."""
        self._settings = settings
        self._processes = processes
        self._opened: OpenBundle | None = None
        self._held: Index | None = None
        with ExitStack() as stack:
            self._runner = stack.enter_context(asyncio.Runner())
            self._store = Store.open(settings.sqlalchemy_url, settings.history_days)
            stack.callback(self._store.close)
            self._jobs, self._wishes = Jobs(self._store.database), Wishes(self._store.database)
            self._gate = Gate(self._store.database, settings.golden_max_broken)
            self._catalog = Catalog(settings, replicas=Replicas(self._store.database))
            stack.callback(lambda: self._runner.run(self._catalog.close()))
            stack.callback(self._close_bundle)
            stack.callback(lambda: self._runner.run(self._let_go()))
            self._stack = stack.pop_all()

    def close(self) -> None:
        """Release everything."""
        self._stack.close()

    def reindex(
        self,
        bundle: Source = None,
        job_id: str | None = None,
        show: Progress = lambda done, total: None,
        adopt: bool = False,
        override_by: str | None = None,
    ) -> str:
        """Build and activate the release of the store's entries and `bundle`, by default the one in use; BASE is
        the packaged base model.

        Runs as the job `job_id`, or as a new one. `adopt`: take over a namespace on a Qdrant server that another store
        owns. `override_by`: who activates the release even if it breaks golden questions. Returns its name. Raises
        Busy, Conflict, NotReady, BundleError, IndexUnavailable, StoreError, Canceled, Blocked, and InputError where
        the base model is not installed.
        """
        with self._at_work(REINDEX, job_id) as (work, check):
            self._store.forget_old_versions()
            wished = self._wishes.read()
            gate = self._gate.overridden(override_by or (ERASURE if wished.erased else None))
            progress, empty = _progress(work, check, show), bool(wished.erased)
            release = self._runner.run(self._publish(bundle, progress, adopt, gate, empty=empty))
            self._runner.run(drop_holding(self._catalog, wished.erased))
            self._fulfil(wished)
            work.succeed(release)
        return release

    def run(self, job_id: str) -> str:
        """Run a queued job of either kind. As `reindex`; also raises NotFound."""
        if self._jobs.get(job_id).kind == REINDEX:
            return self.reindex(job_id=job_id)
        with self._at_work(UPDATE, job_id) as (work, check):
            self._store.forget_old_versions()
            wished = self._wishes.read()
            release = self._runner.run(self._update(wished, _progress(work, check, lambda done, total: None)))
            self._runner.run(drop_holding(self._catalog, wished.erased))
            self._fulfil(wished)
            work.succeed(release)
        return release

    def prepare(self) -> None:
        """Between two jobs: have the active release open for the next one, and calibrate it again if that is due."""
        self._runner.run(self._hold())
        self._refit()

    @contextmanager
    def _at_work(self, kind: str, job_id: str | None) -> Iterator[tuple[Work, lock.Check]]:
        """Hold the writer's lock, and run the job `job_id` or a new one. Raises Busy, naming the running job."""
        try:
            stack, work, check = patient(self._jobs, lambda: self._begin(kind, job_id))
        except Busy as error:
            if job_id:
                self._jobs.fail(job_id, str(error))
            running = next((job for job in self._jobs.recent() if job.status == "running"), None)
            if running is None:
                raise
            raise Busy(f"The job {running.job_id} ({running.kind}) is running.", running.job_id) from None
        with stack:
            yield work, check

    def _begin(self, kind: str, job_id: str | None) -> tuple[ExitStack, Work, lock.Check]:
        with ExitStack() as stack:
            check = stack.enter_context(lock.writer(self._settings.home, self._store.database))
            work = stack.enter_context(self._jobs.work(job_id or self._jobs.begin(kind).job_id))
            return stack.pop_all(), work, check

    async def _publish(self, source: Source, progress: Progress, adopt: bool, gate: Gate, *, empty: bool) -> str:
        await self._catalog.claim(self._store, adopt)
        entries = self._store.published()
        bundle = await asyncio.to_thread(load, source, self._catalog.models, entries) if source else None
        opened = await self._open(bundle)
        real = partial(labelled, self._store.database, opened.bundle)
        return await publish_opened(self._catalog, opened, self._store.published(), progress, gate, real, empty=empty)

    async def _update(self, wished: Wished, progress: Progress) -> str:
        """The name of the active release, once it has the changes that are wished and those of validity."""
        await self._catalog.claim(self._store)
        opened = await self._open(None)
        only = None if wished.entries is None else wished.entries | await self._changed_validity()
        real = partial(labelled, self._store.database, opened.bundle)
        gate = self._gate.overridden(ERASURE if wished.erased else None)
        release = await update(self._catalog, self._store, opened, progress, only, gate, real)
        if wished.erased:  # an increment no longer finds them, but the files that it extends hold them
            release = await publish_opened(
                self._catalog, opened, self._store.published(), progress, gate, real, empty=True
            )
        return release

    async def _hold(self) -> None:
        """Have the active release open until the next build, which extends it: opening reads all files of its base."""
        try:
            active = await self._catalog.active()
            held = await self._catalog.indexes.open(active) if active else None
        except FaqError as error:
            logger.warning("The next update opens the active release: %s", error)
            return
        await self._let_go()  # only now, so that files that both use stay open
        self._held = held

    async def _let_go(self) -> None:
        held, self._held = self._held, None
        if held:
            await held.close()

    def _refit(self) -> None:
        """Calibrate the active release again if that is due; the release answers without it too."""
        if self._opened:
            real = partial(labelled, self._store.database, self._opened.bundle)
            try:
                with lock.writer(self._settings.home, self._store.database):
                    self._runner.run(refit(self._catalog, self._store, self._opened, real))
            except Busy:
                return  # it is due after the next update too
            except FaqError as error:
                logger.warning("The active release keeps its calibration: %s", error)

    async def _changed_validity(self) -> frozenset[str]:
        """The entries whose validity began or ended since the active release was made."""
        record = await self._catalog.active_record()
        return self._store.changed_validity(datetime.fromisoformat(record.created_at)) if record else frozenset()

    async def _open(self, bundle: Bundle | None) -> OpenBundle:
        """The bundle, by default the one in use, open; the same as for the build before where that used it too."""
        if bundle is None:
            active = await self._catalog.active()
            if active and self._opened and self._opened.bundle.revision == active.split("-")[1]:
                return self._opened
            bundle = await self._catalog.active_bundle()
        self._close_bundle()
        installed = await asyncio.to_thread(bundle.install, self._catalog.models)
        self._opened = OpenBundle(installed, self._catalog.vectors, self._catalog.packed, self._processes)
        return self._opened

    def _close_bundle(self) -> None:
        if self._opened:
            self._opened.close()
        self._opened = None

    def _fulfil(self, wished: Wished) -> None:
        """Delete wishes that the active release has; those that remain are carried out again, which changes nothing."""
        try:
            patiently(lambda: self._wishes.fulfil(wished))
        except StoreError as error:
            logger.warning("Changes that are published stay marked as pending: %s", error)


def _progress(work: Work, check: lock.Check, show: Progress) -> Progress:
    """Report every step. Before the last, after which the release is switched to, look whether that may still be."""

    def progress(done: int, total: int) -> None:
        show(done, total)
        work.report(done, total)
        if done == total:
            patiently(check)
            work.confirm()

    return progress
