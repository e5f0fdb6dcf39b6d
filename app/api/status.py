"""What the service answers from, and what has changed since."""

import asyncio
from datetime import UTC, datetime

from fastapi import APIRouter

from app.api.admin import job_reply
from app.api.entry_schemas import KnowledgeStatus, PendingStatus, ReleaseStatus, StatusReply
from app.api.state import Service
from app.http.problem import documented
from app.http.security import KEYS, guarded

router = APIRouter(
    prefix="/v1/admin",
    tags=["releases"],
    route_class=guarded("edit", "publish"),
    dependencies=KEYS,
    responses=documented(401, 403, 422, 429, 500, 503),
)


@router.get("/status")
async def get_status(service: Service) -> StatusReply:
    """The active release and its age, how many entries changed since it was built, and the jobs that run."""
    active = await service.catalog.active()
    record = next((record for record in await service.catalog.indexes.records() if record.name == active), None)
    built = datetime.fromisoformat(record.created_at) if record else None
    counts = await asyncio.to_thread(service.store.counts, built)
    revision = await asyncio.to_thread(service.store.revision)
    jobs = await asyncio.to_thread(service.jobs.recent)
    awaited = await asyncio.to_thread(service.updater.awaited)
    release = None
    if record and built:
        release = ReleaseStatus(
            release=record.name,
            bundle=record.bundle,
            knowledge=record.knowledge,
            entries=record.entries,
            created_at=record.created_at,
            age_s=round((datetime.now(UTC) - built).total_seconds(), 3),
            changed_entries=counts.changed,
            up_to_date=record.knowledge == revision,
        )
    return StatusReply(
        release=release,
        knowledge=KnowledgeStatus(
            revision=revision,
            draft=counts.states.get("draft", 0),
            live=counts.states.get("live", 0),
            archived=counts.states.get("archived", 0),
            published=counts.published,
        ),
        pending=PendingStatus(
            auto_reindex=service.updater.mode,
            entries=awaited.pending.entries,
            everything=awaited.pending.everything,
            since=_written(awaited.pending.since),
            validity=awaited.changed_validity,
            next_validity=_written(awaited.next_validity),
            failure=service.updater.failure,
        ),
        jobs=[job_reply(job) for job in jobs if job.status in ("queued", "running")],
    )


def _written(at: datetime | None) -> str | None:
    return at.isoformat() if at else None
