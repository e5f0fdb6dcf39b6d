"""What an import takes as query parameters, and what it replies."""

from pydantic import BaseModel, Field

from app.api.schemas import Strict
from app.errors import InputError
from app.knowledge.intake import Match, Mode
from app.knowledge.readers.options import Format, Limits, ReadOptions, mapping_of


class ImportQuery(BaseModel):
    """The query parameters of an import."""

    mode: Mode = Field(
        "append",
        description="append adds and updates entries by id; replace also removes entries that the file lacks.",
    )
    match: Match = Field(
        "id",
        description="question: a row without an id updates the entry with the same question, if exactly one has it.",
    )
    dry_run: bool = Field(False, description="Report what the import would do, and change nothing.")
    sheet: str | None = Field(None, max_length=200, description="The sheet of an XLSX file. Default: the first.")
    mapping: list[str] | None = Field(
        None,
        alias="map",
        max_length=100,
        description="FIELD=COLUMN: read a column of the file as a field.",
        examples=["question=Frage"],
    )
    allow_multiline: bool = Field(False, description="Accept cells that look as if an open quote had swallowed rows.")
    fix_mojibake: bool = Field(False, description="Repair texts that were decoded with the wrong encoding.")
    reindex: bool = Field(False, description="Have the import answer; FAQ_AUTO_REINDEX=all always does.")

    def read_options(self, format: Format | None, limits: Limits) -> ReadOptions:
        """How the file is read. `format`: None if the sender does not say it. Raises InputError for a bad mapping."""
        try:
            mapping = mapping_of(self.mapping or [])
        except ValueError as error:
            raise InputError(f"{error}.", "map") from None
        return ReadOptions(format, self.sheet, mapping, self.allow_multiline, self.fix_mojibake, limits)


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
