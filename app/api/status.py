"""What the service answers from, and what has changed since."""

import asyncio
from datetime import datetime

from app.api.admin import job_reply
from app.api.routing import admin_router
from app.api.state import Service
from app.api.status_schemas import KnowledgeStatus, PendingStatus, ReleaseStatus, StatusReply
from app.releases.standing import standing

router = admin_router("releases", "edit", "publish")


@router.get("/status")
async def get_status(service: Service) -> StatusReply:
    """The active release and its age, how many entries changed since it was built, and the jobs that run."""
    now = await standing(service.catalog, service.store, service.jobs)
    revision = await asyncio.to_thread(service.store.revision)
    awaited = await asyncio.to_thread(service.updater.awaited)
    record, counts = now.record, now.counts
    release = None
    if record:
        release = ReleaseStatus(
            release=record.name,
            bundle=record.bundle,
            knowledge=record.knowledge,
            entries=record.entries,
            created_at=record.created_at,
            age_s=round(now.age_s, 3),
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
        jobs=[job_reply(job) for job in now.jobs],
    )


def _written(at: datetime | None) -> str | None:
    return at.isoformat() if at else None
