"""What the service holds while it runs, and how a route gets at it."""

from dataclasses import dataclass, field
from typing import Annotated

from fastapi import Depends, Request

from app.api.admission import Admission
from app.api.metrics import Metrics
from app.api.rate_limit import RateLimits
from app.api.readiness import Readiness
from app.api.rendering import Renderings
from app.api.security import Keys
from app.jobs.jobs import Jobs
from app.knowledge.store import Store
from app.releases.catalog import Catalog
from app.releases.live import Live
from app.releases.reindexing import Worker
from app.settings import Settings


@dataclass(frozen=True)
class Services:
    """Made in the lifespan, closed by it."""

    settings: Settings
    store: Store
    catalog: Catalog
    live: Live
    jobs: Jobs
    worker: Worker
    metrics: Metrics
    keys: Keys
    readiness: Readiness
    rates: RateLimits
    admission: Admission
    renderings: Renderings = field(default_factory=Renderings)


async def _services(request: Request) -> Services:
    """Asynchronous, as the framework would use a thread for anything else."""
    services: Services = request.state.services
    return services


Service = Annotated[Services, Depends(_services)]
