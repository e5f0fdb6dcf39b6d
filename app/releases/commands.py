"""What people do to releases, over HTTP and in the console: build a new one, and activate an earlier one."""

import asyncio
from typing import Protocol

from app.encoding.bundle import MANIFEST, Manifest
from app.errors import Conflict
from app.golden.runs import Runs
from app.jobs.jobs import Job
from app.knowledge.store import Store
from app.releases import activating
from app.releases.catalog import Catalog
from app.releases.live import Live
from app.releases.turns import writing
from app.releases.worker import Starter
from app.settings import Settings

NO_RELEASE = (
    "There is no release yet, so there is no model to reindex with. Publish a first release: `make run`, or "
    "`python -m app reindex --bundle DIR` with the directory of a bundle."
)
REPORT = "report.html"  # of the training, which `trainer publish` puts beside the bundle


class Service(Protocol):
    """The parts of the service that an activation needs."""

    @property
    def settings(self) -> Settings: ...
    @property
    def store(self) -> Store: ...
    @property
    def catalog(self) -> Catalog: ...
    @property
    def live(self) -> Live: ...
    @property
    def runs(self) -> Runs: ...


async def start_reindex(catalog: Catalog, worker: Starter) -> Job:
    """Start a job that builds and activates a release of the current entries.

    Raises Conflict without a first release, Busy naming the job that is under way, BundleError.
    """
    if await catalog.active() is None:
        raise Conflict(NO_RELEASE)
    await catalog.active_bundle()
    return await worker.start()


async def activate(service: Service, release: str, by: str, *, override: bool = False) -> bool:
    """Make a release the active one, and answer from it; returns whether it was blocked. `by`: who, for the history.

    Raises Blocked for a release that breaks golden questions, unless `override`; NotFound, Busy, BundleError,
    IndexUnavailable.
    """
    writer = writing(service.settings.home, service.store.database)
    await asyncio.to_thread(writer.__enter__)
    try:
        blocked = await activating.activate(service.catalog, service.runs, release, by, override)
    finally:
        await asyncio.to_thread(writer.__exit__, None, None, None)
    await service.live.follow()
    return blocked


def manifest_of(catalog: Catalog, bundle: str) -> Manifest | None:
    """What an installed bundle says of itself, unverified; None where it cannot be read."""
    try:
        return Manifest.model_validate_json((catalog.models / bundle / MANIFEST).read_bytes())
    except (OSError, ValueError):
        return None


def report_of(catalog: Catalog, bundle: str) -> bytes | None:
    """The report of the training that made an installed bundle; None where there is none."""
    try:
        return (catalog.models / bundle / REPORT).read_bytes()
    except OSError:
        return None
