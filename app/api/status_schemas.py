"""What answers now, and what has changed since."""

from typing import Literal

from pydantic import Field

from app.api.schemas import JobReply, Strict


class KnowledgeStatus(Strict):
    """The entries of the store."""

    revision: str = Field(description="Of the entries that a reindex of now would publish.")
    draft: int
    live: int
    archived: int
    published: int = Field(description="Live entries that are valid now.")


class ReleaseStatus(Strict):
    """The release that answers."""

    release: str
    bundle: str
    knowledge: str
    entries: int
    created_at: str
    age_s: float
    changed_entries: int = Field(description="Entries that were added, changed or removed since it was built.")
    up_to_date: bool = Field(description="Whether a reindex of now would publish the same entries.")


class PendingStatus(Strict):
    """Stored changes that do not answer yet."""

    auto_reindex: Literal["edits", "all", "off"] = Field(description="Which changes answer by themselves.")
    entries: int = Field(description="Entries that were edited.")
    everything: bool = Field(description="Whether an import was sent to answer.")
    since: str | None = Field(description="When the first of these changes was stored.")
    validity: int = Field(description="Entries whose validity began or ended since the release was built.")
    next_validity: str | None = Field(description="When the validity of an entry begins or ends next.")
    failure: str | None = Field(description="Why the last update failed; it is tried again.")


class StatusReply(Strict):
    """What answers now, and what has changed since."""

    release: ReleaseStatus | None = Field(description="The active release; null where there is none.")
    knowledge: KnowledgeStatus
    pending: PendingStatus
    jobs: list[JobReply] = Field(description="The jobs that are queued or running.")
