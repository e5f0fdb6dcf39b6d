"""The result of a lint: its findings in order, how many of each kind, and pages of them."""

import json
import re
from bisect import bisect_right
from collections.abc import Collection
from dataclasses import asdict, dataclass, replace
from typing import NamedTuple, Self

from app.errors import InputError
from app.lint.finding import Finding, Kind

KEPT = 5_000  # findings of a kind that a report holds; `counts` counts all
_KEY = re.compile(r"\d\d-\d\d\d-[0-9a-f]{12}", re.ASCII)


class Page(NamedTuple):
    """Some findings, in order. `total`: how many match on all pages; `next_after`: the cursor of the next page."""

    findings: list[Finding]
    total: int
    next_after: str | None


@dataclass(frozen=True)
class Report:
    """All findings, sorted by their key. `entries`: how many were looked at; `compared`: also by meaning.

    `release`: the release whose encoder compared them, `problem`: why there was none.
    """

    findings: list[Finding]
    counts: dict[Kind, int]
    entries: int
    checked_at: str
    compared: bool
    release: str | None = None
    problem: str | None = None

    def page(self, limit: int, after: str | None = None, kinds: Collection[Kind] = ()) -> Page:
        """Up to `limit` findings of these kinds, by default of all. `after`: the cursor of the page before.

        A cursor is the key of a finding, so it stays valid in a later report. Raises InputError for any other text.
        """
        check_cursor(after)
        chosen = [finding for finding in self.findings if not kinds or finding.kind in kinds]
        start = bisect_right(chosen, after, key=lambda finding: finding.key) if after else 0
        page = chosen[start : start + limit]
        total = sum(count for kind, count in self.counts.items() if not kinds or kind in kinds)
        return Page(page, total, page[-1].key if start + limit < len(chosen) else None)

    def of_release(self, release: str | None, problem: str | None = None) -> Self:
        """The report with the release, or with the reason why there is none."""
        return replace(self, release=release, problem=problem)

    def as_json(self) -> str:
        """The report as one JSON object; `of_json` reads it."""
        fields = asdict(replace(self, findings=[]))
        return json.dumps(fields | {"findings": [finding.document() for finding in self.findings]}, ensure_ascii=False)

    @classmethod
    def of_json(cls, text: str | bytes) -> Self:
        """The report that `as_json` wrote."""
        fields = json.loads(text)
        return cls(**fields | {"findings": [Finding.of(document) for document in fields["findings"]]})


def check_cursor(after: str | None) -> None:
    """Raise InputError for a text that is no cursor."""
    if after is not None and not _KEY.fullmatch(after):
        raise InputError("`after` is not a cursor. Pass `next_after` of the page before, unchanged.", "after")
