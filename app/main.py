"""The service: `create_app(settings)` and what lives as long as it does."""

import logging
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from importlib.metadata import version
from typing import TypedDict

from fastapi import FastAPI

from app.api import admin, ask, entries, health, problem
from app.api.limits import BodyLimit
from app.api.measuring import Measured
from app.api.metrics import Metrics
from app.api.readiness import Readiness
from app.api.request_id import RequestIds
from app.api.security import Keys, new_key
from app.api.state import Services
from app.knowledge.store import Store
from app.releases import lock
from app.releases.catalog import Catalog
from app.releases.jobs import Jobs
from app.releases.live import Live
from app.releases.reindexing import Worker
from app.settings import Settings
from app.web import pages

DESCRIPTION = "Answers questions from a FAQ, and says so when it cannot."


class State(TypedDict):
    """What the lifespan gives to every request."""

    services: Services


def create_app(settings: Settings) -> FastAPI:
    """The service. Raises SettingsError when it would listen beyond loopback without keys."""
    settings.check_exposure()
    metrics = Metrics()
    app = FastAPI(title="Faqtual", version=version("faqtual"), description=DESCRIPTION, lifespan=_lifespan(settings, metrics))
    problem.install(app)
    for router in (ask.router, entries.router, admin.router, health.router, pages.router):
        app.include_router(router)
    app.add_middleware(BodyLimit)
    app.add_middleware(RequestIds)
    app.add_middleware(Measured, metrics=metrics)
    return app
