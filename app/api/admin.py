"""Admin routes for releases and for the jobs that build them."""

import asyncio
from typing import Annotated

from fastapi import Query, Request, Response

from app.api.entry import caller_of
from app.api.release_schemas import GoldenFigures, ReleaseList, ReleaseReply, ShareReply
from app.api.routing import admin_router
from app.api.schemas import JobList, JobReply
from app.api.state import Service, Services
from app.golden.judging import Missed, lines_of
from app.golden.runs import Run
from app.http import audit
from app.http.problem import documented
from app.jobs.jobs import Job
from app.ranking.calibration import Calibrated
from app.releases import commands
from app.releases.catalog import Release
from app.releases.gate import SHOWN

router = admin_router("releases", "publish")


@router.post("/reindex", status_code=202, responses=documented(409))
async def reindex(request: Request, service: Service, response: Response) -> JobReply:
    """Start a job that builds a release of the current knowledge and activates it.

    The active release answers until the new one is ready.
    """
    job = await commands.start_reindex(service.catalog, service.worker)
    audit.record(request, "reindex", job.job_id)
    response.headers["Location"] = f"/v1/admin/jobs/{job.job_id}"
    return job_reply(job)


@router.get("/jobs")
def list_jobs(service: Service) -> JobList:
    """The latest jobs, newest first."""
    return JobList(jobs=[job_reply(job) for job in service.jobs.recent()])


@router.get("/jobs/{job_id}", operation_id="get_job", responses=documented(404))
def get_job(job_id: str, service: Service) -> JobReply:
    """The state of one job."""
    return job_reply(service.jobs.get(job_id))


@router.post("/jobs/{job_id}/cancel", operation_id="cancel_job", responses=documented(404, 409))
def cancel_job(job_id: str, request: Request, service: Service) -> JobReply:
    """Cancel a job. The release that it was building is discarded."""
    job = service.jobs.cancel(job_id)
    audit.record(request, "cancel", job_id)
    return job_reply(job)


@router.get("/releases")
async def list_releases(service: Service) -> ReleaseList:
    """Every release that can be activated, newest first."""
    return ReleaseList(releases=await _releases(service))


@router.post("/releases/{release}/activate", operation_id="activate", responses=documented(404, 409))
async def activate(
    release: str,
    request: Request,
    service: Service,
    override: Annotated[bool, Query(description="Activate a release that the golden questions block.")] = False,
) -> ReleaseReply:
    """Make a release the active one; an older release too, as a rollback. The entries in the store do not change.

    409 for a release that breaks golden questions, unless `override`.
    """
    by = caller_of(request).name
    overridden = await commands.activate(service, release, by, override=override)
    audit.record(request, "activate blocked release" if overridden else "activate", release)
    return next(listed for listed in await _releases(service) if listed.release == release)


async def _releases(service: Services) -> list[ReleaseReply]:
    releases = await service.catalog.releases()
    runs = await asyncio.to_thread(service.runs.of_gate, [release.record.name for release in releases])
    return [_release(release, runs.get(release.record.name)) for release in releases]


def job_reply(job: Job) -> JobReply:
    """A job for the client."""
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


def _release(release: Release, run: Run | None) -> ReleaseReply:
    record, calibrated = release.record, release.calibrated or Calibrated()
    calibration = calibrated.calibration
    return ReleaseReply(
        release=record.name,
        active=release.active,
        previous=release.previous,
        bundle=record.bundle,
        knowledge=record.knowledge,
        base=record.base,
        increment=record.increment,
        entries=record.entries,
        created_at=record.created_at,
        calibrated=calibration is not None,
        problems=list(calibrated.problems),
        threshold=calibration.threshold if calibration else None,
        offer_threshold=calibration.offer.threshold if calibration else None,
        figures=calibrated.figures,
        unanswerable_share=record.unanswerable_share,
        blocked=run is not None and run.outcome == "blocked" and not release.active,
        golden=_figures(run) if run else None,
        estimated_unanswerable_share=ShareReply(**release.estimate._asdict()) if release.estimate else None,
    )


def _figures(run: Run) -> GoldenFigures:
    counts = {name: getattr(run, name) for name in ("questions", "right", "broken", "fixed", "waived")}
    lines = lines_of(Missed(**missed) for missed in run.broken_questions[:SHOWN])
    return GoldenFigures.model_validate({**counts, "run": run.id, "outcome": run.outcome, "broken_questions": lines})
