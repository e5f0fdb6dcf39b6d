"""What the console needs of the service: its parts, and the dependencies that give them to routes."""

from typing import Annotated, Protocol

from fastapi import Depends, Request
from starlette.datastructures import FormData

from app.console.session import Sessions
from app.golden.questions import GoldenStore
from app.golden.runs import Runs
from app.http.admission import Admission
from app.http.metrics import Metrics
from app.http.rate_limit import RateLimits
from app.http.security import Keys
from app.jobs.jobs import Jobs
from app.knowledge.store import Store
from app.questions.questions import Questions
from app.releases.catalog import Catalog
from app.releases.live import Live
from app.releases.unanswered import Unanswered
from app.releases.updater import Updates
from app.releases.worker import Starter
from app.settings import Settings


class Parts(Protocol):
    """The parts of the service, which `app.api.state.Services` has."""

    @property
    def settings(self) -> Settings: ...
    @property
    def store(self) -> Store: ...
    @property
    def questions(self) -> Questions: ...
    @property
    def unanswered(self) -> Unanswered: ...
    @property
    def golden(self) -> GoldenStore: ...
    @property
    def runs(self) -> Runs: ...
    @property
    def updater(self) -> Updates: ...
    @property
    def catalog(self) -> Catalog: ...
    @property
    def live(self) -> Live: ...
    @property
    def jobs(self) -> Jobs: ...
    @property
    def worker(self) -> Starter: ...
    @property
    def metrics(self) -> Metrics: ...
    @property
    def keys(self) -> Keys: ...
    @property
    def admission(self) -> Admission: ...
    @property
    def rates(self) -> RateLimits: ...


def parts_of(request: Request) -> Parts:
    """The parts of the service that a request reached."""
    parts: Parts = request.state.console
    return parts


def sessions_of(request: Request) -> Sessions:
    """What reads and makes the cookies."""
    sessions: Sessions = request.state.sessions
    return sessions


async def _parts(request: Request) -> Parts:
    return parts_of(request)


async def _form(request: Request) -> FormData:
    return await request.form()  # which the route class has parsed


Service = Annotated[Parts, Depends(_parts)]
Form = Annotated[FormData, Depends(_form)]
