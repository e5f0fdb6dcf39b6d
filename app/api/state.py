"""The objects that live as long as the service, and the dependency that gives them to routes."""

from dataclasses import dataclass, field
from typing import Annotated

from fastapi import Depends, Request

from app.api.rendering import Renderings
from app.golden.questions import GoldenStore
from app.golden.runs import Runs
from app.http.admission import Admission
from app.http.metrics import Metrics
from app.http.rate_limit import RateLimits
from app.http.security import Keys
from app.jobs.jobs import Jobs
from app.knowledge.store import Store
from app.lint.worker import LintReports
from app.questions.questions import Questions
from app.releases.catalog import Catalog
from app.releases.completing import Completer
from app.releases.live import Live
from app.releases.readiness import Readiness
from app.releases.unanswered import Unanswered
from app.releases.updater import Updates
from app.releases.worker import Starter
from app.settings import Settings


@dataclass(frozen=True)
class Services:
    """Created and closed by the lifespan of the application."""

    settings: Settings
    store: Store
    golden: GoldenStore
    runs: Runs
    catalog: Catalog
    live: Live
    jobs: Jobs
    worker: Starter
    updater: Updates
    metrics: Metrics
    keys: Keys
    readiness: Readiness
    rates: RateLimits
    admission: Admission
    completer: Completer
    questions: Questions
    unanswered: Unanswered
    renderings: Renderings = field(default_factory=Renderings)
    lint: LintReports = field(default_factory=LintReports)


async def _services(request: Request) -> Services:
    """The services of this application. Async, because FastAPI runs other dependencies in a thread."""
    services: Services = request.state.services
    return services


Service = Annotated[Services, Depends(_services)]
