"""What answers now, and what has changed since it was built."""

import asyncio
from dataclasses import dataclass
from datetime import UTC, datetime

from app.index.protocol import IndexRecord
from app.jobs.jobs import LIVE, Job, Jobs
from app.knowledge.counts import Counts
from app.knowledge.store import Store
from app.releases.catalog import Catalog


@dataclass(frozen=True)
class Standing:
    """The active release, None where there is none, the numbers of entries, and the jobs that are under way."""

    record: IndexRecord | None
    counts: Counts
    jobs: list[Job]

    @property
    def built(self) -> datetime | None:
        """When the active release was built."""
        return datetime.fromisoformat(self.record.created_at) if self.record else None

    @property
    def age_s(self) -> float:
        """The age of the active release in seconds; 0 where there is none."""
        return (datetime.now(UTC) - self.built).total_seconds() if self.built else 0.0


async def standing(catalog: Catalog, store: Store, jobs: Jobs) -> Standing:
    """Read all three. Raises StoreError, IndexUnavailable."""
    record = await catalog.active_record()
    built = datetime.fromisoformat(record.created_at) if record else None
    counts = await asyncio.to_thread(store.counts, built)
    recent = await asyncio.to_thread(jobs.recent)
    return Standing(record, counts, [job for job in recent if job.status in LIVE])
