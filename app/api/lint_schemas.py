"""Findings of the lint over the wire."""

from pydantic import Field

from app.api.schemas import Strict
from app.lint.finding import Kind, Severity


class MentionReply(Strict):
    """An entry that a finding concerns."""

    id: str
    text: str = Field(description="The begin of the text that the finding is about.")


class FindingReply(Strict):
    """A likely mistake."""

    kind: Kind
    severity: Severity
    message: str = Field(description="What is wrong.")
    advice: str = Field(description="What to do.")
    entries: list[MentionReply] = Field(description="The entries, at most ten of them.")
    total: int = Field(description="How many entries it concerns.")
    similarity: float | None = Field(description="The cosine of the two texts that are most alike, where compared.")


class LintReply(Strict):
    """A page of the findings, the most important first."""

    release: str | None = Field(description="The release whose encoder compared the entries; null where there is none.")
    checked_at: str
    entries: int = Field(description="Entries that were checked.")
    compared: bool = Field(description="Whether the entries were also compared by meaning, which needs a release.")
    counts: dict[Kind, int] = Field(description="Findings of each kind, whatever the filter.")
    findings: list[FindingReply]
    total: int = Field(description="Findings that match, on all pages; of a kind 5,000 at most are listed.")
    next_after: str | None = Field(description="Pass as `after` for the next page; null on the last.")
