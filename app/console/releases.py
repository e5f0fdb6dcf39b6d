"""Releases: what each one holds and how good it is, what changed, activating, publishing, and the jobs."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, Any

from fastapi import APIRouter, Path, Query, Request, Response
from fastapi.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException

from app.console.flash import Flash
from app.console.golden import broken_lines
from app.console.guard import guarded
from app.console.page import HEADERS, is_part, moved, page, part
from app.console.parts import Form, Parts, Service
from app.console.texts import texts
from app.encoding.bundle import Manifest
from app.golden.runs import Run
from app.http import audit
from app.jobs.jobs import LIVE
from app.knowledge.history import Changes
from app.releases import commands
from app.releases.catalog import Release
from app.releases.standing import standing

router = APIRouter(prefix="/console", include_in_schema=False, route_class=guarded("edit", "publish"))
publishing = APIRouter(prefix="/console", include_in_schema=False, route_class=guarded("publish"))
JOBS, CHANGES = 8, 8
REPORT_POLICY = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; sandbox"


@dataclass(frozen=True)
class Shown:
    """A release, what its model says of itself, whether it has a report, what changed since the one before it, and its
    golden questions."""

    release: Release
    manifest: Manifest | None
    reported: bool
    changes: Changes | None
    run: Run | None

    @property
    def blocked(self) -> bool:
        """Whether the golden questions keep it from being activated."""
        return self.run is not None and self.run.outcome == "blocked" and not self.release.active


@router.get("/releases")
async def show_releases(request: Request, service: Service) -> Response:
    """Every release, newest first, and what a new one would change."""
    now = await standing(service.catalog, service.store, service.jobs)
    releases = await service.catalog.releases()
    return await run_in_threadpool(_page, request, service, releases, now.built)


@router.get("/jobs")
def show_jobs(request: Request, service: Service, running: Annotated[str, Query(max_length=100)] = "") -> Response:
    """The latest jobs. `running`: the one that ran when the page was made, which is loaded again once it has ended."""
    jobs = service.jobs.recent(JOBS)
    response = part(request, "jobs.html", jobs=jobs, live=LIVE)
    if running and not any(job.job_id == running and job.status in LIVE for job in jobs):
        response.headers["HX-Refresh"] = "true"
    return response


@publishing.post("/reindex")
async def reindex(request: Request, service: Service) -> Response:
    """Publish the present entries."""
    job = await commands.start_reindex(service.catalog, service.worker)
    audit.record(request, "reindex", job.job_id)
    if is_part(request):
        now = await standing(service.catalog, service.store, service.jobs)
        values: dict[str, Any] = {"standing": now, "updating": False, "failure": None}
        return await run_in_threadpool(part, request, "state.html", **values)
    return moved(request, "releases")


@publishing.post("/activate")
async def activate(request: Request, service: Service, form: Form) -> Response:
    """Answer from another release."""
    name = str(form.get("release", ""))
    overridden = await commands.activate(service, name, request.state.caller.name, override="override" in form)
    audit.record(request, "activate blocked release" if overridden else "activate", name)
    flash = Flash("done", texts().releases.activated.format(name=name))
    return moved(request, "releases", flash.as_dict())


@publishing.post("/cancel")
def cancel(request: Request, service: Service, form: Form) -> Response:
    """Cancel a job."""
    job_id = str(form.get("job", ""))
    service.jobs.cancel(job_id)
    audit.record(request, "cancel", job_id)
    return moved(request, "releases", Flash("done", texts().releases.canceled).as_dict())


@router.get("/report/{bundle}")
def show_report(service: Service, bundle: Annotated[str, Path(pattern="^[0-9a-f]{12}$")]) -> Response:
    """The report of a training. It has styles of its own, and so a policy of its own: it may load and run nothing."""
    report = commands.report_of(service.catalog, bundle)
    if report is None:
        raise HTTPException(404, texts().releases.no_report)
    headers = {**HEADERS, "Content-Security-Policy": REPORT_POLICY}
    return Response(report, media_type="text/html; charset=utf-8", headers=headers)


def _page(request: Request, service: Parts, releases: list[Release], built: datetime | None) -> Response:
    pending = service.store.changes_between(built, datetime.now(UTC), CHANGES) if built else None
    jobs = service.jobs.recent(JOBS)
    runs = service.runs.of_gate([release.record.name for release in releases])
    pairs = zip(releases, [*releases, None][1:], strict=True)
    shown = [_shown(service, release, older, runs.get(release.record.name)) for release, older in pairs]
    values: dict[str, Any] = {"releases": shown, "pending": pending, "jobs": jobs, "live": LIVE, "lines": broken_lines}
    return page(request, "releases.html", here="releases", total=service.store.count(), **values)


def _shown(service: Parts, release: Release, older: Release | None, run: Run | None) -> Shown:
    bundle = release.record.bundle
    changes = None
    if older:
        begin, end = (datetime.fromisoformat(each.record.created_at) for each in (older, release))
        changes = service.store.changes_between(begin, end, CHANGES)
    reported = commands.report_of(service.catalog, bundle) is not None
    return Shown(release, commands.manifest_of(service.catalog, bundle), reported, changes, run)
