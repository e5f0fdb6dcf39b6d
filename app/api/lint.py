"""Likely mistakes in the entries: the report of all of them, and the warnings about entries that were just saved."""

import asyncio
from collections.abc import Sequence
from typing import Annotated

from fastapi import Query

from app.api.lint_schemas import FindingReply, LintReply
from app.api.routing import admin_router
from app.api.state import Service, Services
from app.knowledge.entry import Entry
from app.lint.finding import Finding, Kind
from app.lint.report import check_cursor
from app.lint.worker import State
from app.releases.checking import findings_about

router = admin_router("knowledge", "edit")


@router.get("/lint")
async def lint_entries(
    service: Service,
    kind: Annotated[list[Kind] | None, Query(description="Findings of this kind; may be repeated.")] = None,
    limit: Annotated[int, Query(ge=1, le=1000)] = 50,
    after: Annotated[str | None, Query(max_length=100, description="`next_after` of the page before.")] = None,
) -> LintReply:
    """Likely mistakes in the entries that are not archived, the most important first.

    The first request after a change takes seconds: a process of its own compares all entries by meaning. Later ones get
    its report, until an entry or the release changes, and for an hour at most.
    """
    check_cursor(after)
    state = State(await asyncio.to_thread(service.store.stamp), await service.catalog.active())
    report = await service.lint.report(service.settings, state)
    page = report.page(limit, after, kind or ())
    return LintReply(
        release=report.release,
        checked_at=report.checked_at,
        entries=report.entries,
        compared=report.compared,
        counts=report.counts,
        findings=[finding_reply(finding) for finding in page.findings],
        total=page.total,
        next_after=page.next_after,
    )


async def warnings_about(service: Services, entries: Sequence[Entry]) -> dict[str, list[FindingReply]]:
    """The findings about entries that were just saved, by id."""
    findings = await findings_about(service.store, service.live, entries)
    return {name: [finding_reply(item) for item in each] for name, each in findings.items()}


def finding_reply(finding: Finding) -> FindingReply:
    """A finding for the client."""
    return FindingReply.model_validate(finding.document())
