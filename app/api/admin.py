"""Releases and the jobs that make them."""

from typing import Any

from fastapi import APIRouter, Response

from app.api.problem import documented
from app.api.schemas import JobList, JobReply, ReleaseList, ReleaseReply
from app.api.security import KEYS, guarded
from app.api.state import Service
from app.errors import Conflict
from app.jobs import lock
from app.jobs.jobs import Job
from app.releases.catalog import Release
from app.retrieval.index import Calibrated

router = APIRouter(
    prefix="/v1/admin",
    tags=["releases"],
    route_class=guarded("admin"),
    dependencies=KEYS,
    responses=documented(401, 403, 422, 429, 500, 503),
)


def _links(**parameters: str) -> dict[str, Any]:
    """OpenAPI's links from a response to the operations that take what it holds: operation -> the value's place."""
    name = "job_id" if "job" in next(iter(parameters)) else "release"
    return {operation: {"operationId": operation, "parameters": {name: at}} for operation, at in parameters.items()}


STARTED: dict[int | str, dict[str, Any]] = {
    202: {"links": _links(get_job="$response.body#/job_id", cancel_job="$response.body#/job_id")}
}
LISTED: dict[int | str, dict[str, Any]] = {200: {"links": _links(get_job="$response.body#/jobs/0/job_id")}}
RELEASED: dict[int | str, dict[str, Any]] = {200: {"links": _links(activate="$response.body#/releases/0/release")}}


NOTHING_TO_REBUILD = (
    "There is no release yet, so there is no model to reindex with. Publish a first one: `make run`, or "
    "`python -m app reindex --bundle DIR` with the directory of a bundle."
)


@router.post("/reindex", status_code=202, responses={**documented(409), **STARTED})
async def reindex(service: Service, response: Response) -> JobReply:
    """Build a release of the knowledge as it is now and switch to it; the present one answers until then."""
    if await service.catalog.active() is None:
        raise Conflict(NOTHING_TO_REBUILD)
    await service.catalog.active_bundle()
    job = await service.worker.start()
    response.headers["Location"] = f"/v1/admin/jobs/{job.job_id}"
    return _job(job)


@router.get("/jobs", responses=LISTED)
def list_jobs(service: Service) -> JobList:
    """The latest jobs, newest first."""
    return JobList(jobs=[_job(job) for job in service.jobs.recent()])


@router.get("/jobs/{job_id}", operation_id="get_job", responses=documented(404))
def get_job(job_id: str, service: Service) -> JobReply:
    """One job, as it stands."""
    return _job(service.jobs.get(job_id))


@router.post("/jobs/{job_id}/cancel", operation_id="cancel_job", responses=documented(404, 409))
def cancel_job(job_id: str, service: Service) -> JobReply:
    """Stop a job. What it has built so far never shows."""
    return _job(service.jobs.cancel(job_id))


@router.get("/releases", responses=RELEASED)
async def list_releases(service: Service) -> ReleaseList:
    """Every release that can be activated, newest first."""
    return ReleaseList(releases=[_release(one) for one in await service.catalog.releases()])


@router.post("/releases/{release}/activate", operation_id="activate", responses=documented(404, 409))
async def activate(release: str, service: Service) -> ReleaseReply:
    """Switch to a release: forward, or back. The store stays as it is."""
    with lock.writer(service.settings.home, service.store.database):
        await service.catalog.activate(release)
    await service.live.follow()
    found = {one.record.name: one for one in await service.catalog.releases()}
    return _release(found[release])


def _job(job: Job) -> JobReply:
    return JobReply(
        job_id=job.job_id,
        kind=job.kind,
        status=job.status,
        done=job.done,
        total=job.total,
        error=job.error,
        release=job.release,
        created_at=job.created_at.isoformat(),
        updated_at=job.updated_at.isoformat(),
    )


def _release(release: Release) -> ReleaseReply:
    record, calibrated = release.record, release.calibrated or Calibrated()
    calibration = calibrated.calibration
    return ReleaseReply(
        release=record.name,
        active=release.active,
        previous=release.previous,
        bundle=record.bundle,
        knowledge=record.knowledge,
        entries=record.entries,
        created_at=record.created_at,
        calibrated=calibration is not None,
        problems=list(calibrated.problems),
        threshold=calibration.threshold if calibration else None,
        offer_threshold=calibration.offer.threshold if calibration else None,
        figures=calibrated.figures,
    )
