"""Batches of changes of entries, and their outcomes."""

from typing import Annotated, Literal

from pydantic import Field

from app.api.entry_schemas import EntryBody, EntryChanges, EntryId
from app.api.lint_schemas import FindingReply
from app.api.schemas import Strict

MAX_OPERATIONS = 1000


class Create(Strict):
    """Add an entry."""

    op: Literal["create"]
    entry: EntryBody


class Replace(Strict):
    """Replace an entry whole."""

    op: Literal["replace"]
    id: EntryId
    etag: str = Field(description="The entity tag that the entry must have.")
    entry: EntryBody


class Update(Strict):
    """Change fields of an entry."""

    op: Literal["update"]
    id: EntryId
    etag: str = Field(description="The entity tag that the entry must have.")
    changes: EntryChanges


class Archive(Strict):
    """Archive an entry."""

    op: Literal["archive"]
    id: EntryId
    etag: str = Field(description="The entity tag that the entry must have.")


Operation = Annotated[Create | Replace | Update | Archive, Field(discriminator="op")]


class EntryBatch(Strict):
    """Operations that are carried out together, or not at all."""

    operations: list[Operation] = Field(
        min_length=1, max_length=MAX_OPERATIONS, description="At most one for each entry."
    )


class Outcome(Strict):
    """What an operation did. `unchanged`: the entry was like that already, and has no new version."""

    id: str
    op: Literal["create", "replace", "update", "archive"]
    outcome: Literal["created", "changed", "unchanged"]
    version: int
    etag: str
    warnings: list[FindingReply] = Field(description="Likely mistakes in it.")


class BatchOutcomes(Strict):
    """The outcomes, in the order of the operations."""

    outcomes: list[Outcome]
