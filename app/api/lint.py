"""Likely mistakes in the entries: the report of all of them, and the warnings about entries that were just saved."""

import asyncio
import logging
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path
from threading import Lock
from typing import Annotated

from fastapi import APIRouter, Query

from app.answering import Answerer
from app.api.lint_schemas import FindingReply, LintReply
from app.api.state import Service, Services
from app.encoding.bundle import TOKENIZER, Encoding
from app.encoding.lengths import Lengths
from app.errors import FaqError, NotReady
from app.http.problem import documented
from app.http.security import KEYS, guarded
from app.knowledge.entry import Entry
from app.lint.finding import Finding, Kind
from app.lint.report import check_cursor
from app.lint.saving import Live, compared_findings, own_findings
from app.lint.worker import State

router = APIRouter(
    prefix="/v1/admin",
    tags=["knowledge"],
    route_class=guarded("edit"),
    dependencies=KEYS,
    responses=documented(401, 403, 422, 429, 500, 503),
)
logger = logging.getLogger(__name__)
_tokenizing = Lock()  # a tokenizer serves one thread at a time


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
    """The findings about entries that were just saved, by id; archived entries have none.

    No FaqError is raised: the entries are saved, whether they can be checked or not.
    """
    checked, encoder = [entry for entry in entries if entry.state != "archived"], None
    findings: dict[str, list[Finding]] = {entry.id: [] for entry in entries}
    try:
        if checked:
            async with service.live.answerer() as answerer:
                encoder = answerer.bundle.directory / TOKENIZER, answerer.bundle.manifest.encoding
                _add(findings, await compared_findings(checked, _live(answerer)))
    except NotReady:
        pass
    except FaqError as error:
        logger.warning("The entries that were saved could not be compared: %s", error)
    try:
        _add(findings, await asyncio.to_thread(_own, service, checked, encoder))
    except FaqError as error:
        logger.warning("The entries that were saved could not be checked: %s", error)
    return {
        name: [finding_reply(item) for item in sorted(each, key=lambda item: item.key)]
        for name, each in findings.items()
    }


def _add(findings: dict[str, list[Finding]], more: Mapping[str, Sequence[Finding]]) -> None:
    for name, each in more.items():
        findings[name] += each


def _live(answerer: Answerer) -> Live:
    """The release that answers, to compare entries with."""
    encoding = answerer.bundle.manifest.encoding
    alike = not answerer.bundle.two_sided and encoding.question_prefix == encoding.answer_prefix
    return Live(answerer.index, answerer.encode, encodes_answers=alike)


def _own(
    service: Services, entries: Sequence[Entry], encoder: tuple[Path, Encoding] | None
) -> dict[str, list[Finding]]:
    """What is wrong with each entry by itself."""
    wanted = {name for entry in entries for name in entry.follow_ups}
    follow_ups, now = {entry.id: entry for entry in service.store.some(wanted)}, datetime.now(UTC)
    with _tokenizing:
        lengths = _lengths(*encoder) if encoder else None
        return {entry.id: own_findings(entry, now, follow_ups, lengths) for entry in entries}


@lru_cache(maxsize=1)
def _lengths(tokenizer: Path, encoding: Encoding) -> Lengths:
    return Lengths(tokenizer, encoding)


def finding_reply(finding: Finding) -> FindingReply:
    """A finding for the client."""
    return FindingReply.model_validate(finding.document())
