"""What an import replies."""

from pydantic import Field

from app.api.schemas import Strict


class ChangeReply(Strict):
    """An entry that an import adds, updates or removes, or that the file lacks."""

    id: str
    question: str
    fields: list[str] = Field(description="The fields of an updated entry that change; for metadata, `metadata.KEY`.")


class ImportReply(Strict):
    """What an import did, or with `dry_run` would do. A reindex publishes the change."""

    added: int
    updated: int
    unchanged: int
    removed: int = Field(description="With `replace`: entries that the file lacks.")
    orphaned: int = Field(description="With `append`: entries that the file lacks, which stay.")
    matched: int = Field(description="With `match=question`: entries found by their question.")
    total: int = Field(description="Entries in the store after the import.")
    dry_run: bool
    format: str = Field(description="The format that the file was read as.")
    encoding: str
    encoding_guessed: bool
    mapping: dict[str, str] = Field(description="Columns or keys of the file, and the fields that they were read as.")
    merged: list[str] = Field(description="Rows with identical content, which become one entry.")
    warnings: list[str]
    warning_counts: dict[str, int] = Field(description="Warnings of each kind.")
    added_entries: list[ChangeReply] = Field(description="The first 1,000.")
    updated_entries: list[ChangeReply] = Field(description="The first 1,000.")
    removed_entries: list[ChangeReply] = Field(description="The first 1,000.")
    orphaned_entries: list[ChangeReply] = Field(description="The first 1,000.")
