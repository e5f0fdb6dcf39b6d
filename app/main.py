"""The service: `create_app(settings)`, and the lifespan that opens and closes its parts."""

import asyncio
import gc
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from importlib.metadata import version
from typing import NamedTuple, TypedDict

from fastapi import Depends, FastAPI

from app import allocator
from app.api import (
    admin,
    ask,
    comparing,
    entries,
    entry,
    entry_batch,
    feedback,
    golden,
    golden_files,
    health,
    lint,
    preview,
    questions,
    release,
    statistics,
    status,
    suggest,
    unanswered,
)
from app.api.state import Services
from app.backups.owning import own_home, store_of
from app.console import console
from app.console.parts import Parts
from app.console.session import Sessions
from app.errors import FaqError
from app.golden.questions import GoldenStore
from app.golden.runs import Runs
from app.http import problem
from app.http.admission import Admission
from app.http.application import Application
from app.http.metrics import Metrics
from app.http.parameters import known_parameters
from app.http.problem import documented
from app.http.rate_limit import RateLimits
from app.http.security import KEYS, Keys, with_admin_key
from app.http.shared import Shared
from app.jobs.jobs import Jobs
from app.knowledge.store import Store
from app.questions.questions import Questions
from app.releases.catalog import Catalog
from app.releases.completing import Completer
from app.releases.live import Live
from app.releases.readiness import Readiness
from app.releases.remote import Channel, Parent
from app.releases.replicas import Announcer, Replicas
from app.releases.unanswered import Unanswered
from app.releases.updater import Updater, Updates
from app.releases.worker import Starter, Worker
from app.settings import Settings
from app.web import pages
from app.web.site import Site

# Of Python's three generations. With its own 700, 10, 10 a full collection comes once in some hundred questions, and
# takes 10 to 60 ms.
COLLECT_AFTER = 2_000, 20, 100
DESCRIPTION = "Answers questions from a FAQ, and says so when it cannot."


class Place(NamedTuple):
    """The place of a worker process in a service of several: its number, and what its parent gave it."""

    number: int
    shared: Shared
    channel: socket.socket  # to the parent
    end: Callable[[], None]  # called when the parent has ended


class State(TypedDict):
    """The state that the lifespan gives to every request."""

    services: Services
    console: Parts
    sessions: Sessions


def create_app(settings: Settings, place: Place | None = None) -> FastAPI:
    """The application. Raises SettingsError if others could reach it without keys, or if the logo is no image.

    `place`: of a worker process; None where one process is the whole service.
    """
    allocator.limit_arenas()
    settings.check_exposure()
    metrics = Metrics()
    app = Application(
        metrics,
        settings.widget_origins,
        title="Faqtual",
        version=version("faqtual"),
        description=DESCRIPTION,
        lifespan=_lifespan(settings, metrics, place),
        docs_url=None,  # `app.web` serves this page without a CDN
        redoc_url=None,
        dependencies=[Depends(known_parameters)],
        responses=documented(408, 413, 422, 500, 503),  # of the server and the middleware
    )
    app.state.startup_error = None
    app.state.metrics = metrics
    app.state.site = Site(settings)
    problem.install(app)
    for room in (ask, suggest, release):
        app.include_router(room.router, dependencies=KEYS if settings.asking_needs_key else [])
    knowledge = (entries, entry, entry_batch, preview, lint, golden_files, golden)
    asked = (questions, unanswered, statistics)
    for room in (feedback, *knowledge, *asked, status, admin, comparing, health, pages):
        app.include_router(room.router)
    for router in console.ROUTERS:
        app.include_router(router)
    app.add_direct(ask.router.routes)
    return app


def _lifespan(
    settings: Settings, metrics: Metrics, place: Place | None
) -> Callable[[FastAPI], AbstractAsyncContextManager[State]]:
    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[State]:
        """Open everything in order; close it in reverse order, after an error too."""
        async with AsyncExitStack() as stack:
            try:
                services = await _open(settings, metrics, place, stack)
                sessions = Sessions.of(services.store.database)
            except (FaqError, OSError) as error:  # OSError: such as a read-only FAQ_HOME
                app.state.startup_error = error  # for the command line, which prints it without a traceback
                raise
            stack.push_async_callback(services.lint.close)
            _collect_rarely()
            yield {"services": services, "console": services, "sessions": sessions}

    return lifespan


def _collect_rarely() -> None:
    """Leave what is there now out of garbage collections, and make these rarer: each stops all threads.

    What answering leaves behind has no cycles, so it is freed without them.
    """
    gc.collect()
    allocator.give_back()
    gc.freeze()
    gc.set_threshold(*COLLECT_AFTER)


async def _open(settings: Settings, metrics: Metrics, place: Place | None, stack: AsyncExitStack) -> Services:
    store = stack.enter_context(store_of(settings) if place else own_home(settings))
    settings = with_admin_key(settings)
    forgets = place is None or place.number == 0
    asked = Questions(store.database, settings.log_questions, settings.log_days, metrics, forgets=forgets)
    stack.push_async_callback(asked.close)
    asked.start()
    catalog = Catalog(settings, metrics, copies=True)
    stack.push_async_callback(catalog.close)
    live = Live(catalog)
    stack.push_async_callback(live.close)
    await live.start()
    if settings.qdrant_url or settings.bundle_store:  # other processes may prune what this one serves
        announcer = Announcer(Replicas(store.database), lambda: live.release)
        stack.push_async_callback(announcer.close)
    jobs = Jobs(store.database)
    completer = Completer(store, live)
    stack.push_async_callback(completer.close)
    worker, updater = await _upkeep(settings, place, store, live, jobs, stack)
    keys = Keys(settings)
    shared = place.shared if place else Shared.created()
    stack.callback(shared.close)
    rates = RateLimits(settings.rate_limit_address, settings.rate_limit_key, shared)
    admission = Admission(settings.queue_limit, settings.request_timeout_ms / 1000, metrics, shared)
    golden, runs = GoldenStore(store.database), Runs(store.database)
    ready = Readiness()
    return Services(
        settings,
        store,
        golden,
        runs,
        catalog,
        live,
        jobs,
        worker,
        updater,
        metrics,
        keys,
        ready,
        rates,
        admission,
        completer,
        asked,
        Unanswered(asked, live),
    )


async def _upkeep(
    settings: Settings, place: Place | None, store: Store, live: Live, jobs: Jobs, stack: AsyncExitStack
) -> tuple[Starter, Updates]:
    """What builds releases: in this process, or for a worker process in its parent."""
    if place is None:
        worker = Worker(settings, jobs)
        stack.push_async_callback(worker.close)
        updater = Updater(settings.auto_reindex, store, live, worker, jobs)
        stack.push_async_callback(updater.close)
        updater.start()
        return worker, updater
    channel = await Channel.of(place.channel)
    stack.callback(channel.close)
    parent = Parent(channel, settings.auto_reindex, store, live, jobs)
    listening = asyncio.create_task(parent.listen())
    stack.callback(listening.cancel)
    listening.add_done_callback(lambda task: None if task.cancelled() else place.end())
    return parent, parent
