"""Admin routes for statistics: by entry, by hour, and the questions asked most; as JSON or as CSV."""

import time
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Annotated, Any, Literal

from fastapi import Query
from fastapi.responses import Response, StreamingResponse
from pydantic import AwareDatetime

from app.api.question_schemas import iso
from app.api.routing import admin_router
from app.api.schemas import Strict
from app.api.state import Service
from app.api.statistics_schemas import (
    EntryStatistics,
    EntryStatisticsList,
    HourStatistics,
    OutcomeStatistics,
    TopQuestionList,
    TopQuestionReply,
)
from app.errors import InputError
from app.questions.asked import DAY_S, HOUR_S
from app.questions.exports import export
from app.questions.figures import EntrySort, Period

router = admin_router("statistics", "edit", below="/statistics")

DEFAULT_DAYS = 30
CSV = "text/csv"
Start = Annotated[AwareDatetime | None, Query(description="Begin of the period. Default: 30 days before its end.")]
End = Annotated[AwareDatetime | None, Query(description="End of the period, not included. Default: now.")]
Format = Annotated[Literal["json", "csv"], Query(alias="format", description="csv: every row, without pages.")]
AS_CSV: dict[int | str, dict[str, Any]] = {
    200: {"content": {CSV: {"schema": {"type": "string"}}}, "description": "As JSON or CSV."}
}


@router.get("/entries", response_model=EntryStatisticsList, responses=AS_CSV)
def entry_statistics(
    service: Service,
    start: Start = None,
    end: End = None,
    sort: Annotated[EntrySort, Query(description="`-` is from the largest down.")] = "-hits",
    never: Annotated[bool, Query(description="Only live entries that were never the answer in the period.")] = False,
    limit: Annotated[int, Query(ge=1, le=1000)] = 50,
    after: Annotated[str | None, Query(max_length=2000, description="`next_after` of the page before.")] = None,
    kind: Format = "json",
) -> Response | EntryStatisticsList:
    """Each entry of the store: how often it was the answer or an option, how sure, how helpful, when last."""
    period, statistics = period_of(start, end), service.questions.statistics
    if kind == "csv":
        every = statistics.every_entry(period, sort, never)
        return _csv("entries", EntryStatistics, (EntryStatistics.of(figures) for figures in every))
    page = statistics.entries(period, sort, limit, after, never)
    first, last = _whole_days(period)
    entries = [EntryStatistics.of(figures) for figures in page.entries]
    return EntryStatisticsList(start=first, end=last, entries=entries, next_after=page.next_after)


@router.get("/outcomes", response_model=OutcomeStatistics, responses=AS_CSV)
def outcome_statistics(
    service: Service, start: Start = None, end: End = None, kind: Format = "json"
) -> Response | OutcomeStatistics:
    """Questions of each hour by outcome, their mean latency, and how sure the answers were."""
    period, statistics = period_of(start, end), service.questions.statistics
    hours = [HourStatistics.of(figures) for figures in statistics.hours(period)]
    if kind == "csv":
        return _csv("outcomes", HourStatistics, hours)
    confidences = statistics.confidences(period)
    first, last = (iso(hour * float(HOUR_S)) for hour in period.hours)
    return OutcomeStatistics(
        start=first,
        end=last,
        answered=sum(hour.answered for hour in hours),
        ambiguous=sum(hour.ambiguous for hour in hours),
        no_answer=sum(hour.no_answer for hour in hours),
        confidence=[confidences.get(tenth, 0) for tenth in range(10)],
        without_entry=confidences.get(-1, 0),
        hours=hours,
    )


@router.get("/questions", response_model=TopQuestionList, responses=AS_CSV)
def top_questions(
    service: Service,
    start: Start = None,
    end: End = None,
    limit: Annotated[int, Query(ge=1, le=1000)] = 50,
    kind: Format = "json",
) -> Response | TopQuestionList:
    """The questions that were asked most. Their texts must be kept for that."""
    period = period_of(start, end)
    questions = [TopQuestionReply.of(top) for top in service.questions.statistics.top_questions(period, limit)]
    if kind == "csv":
        return _csv("questions", TopQuestionReply, questions)
    notice = service.questions.notice
    first, last = _whole_days(period)
    return TopQuestionList(start=first, end=last, questions=questions, notice=notice)


def period_of(start: datetime | None, end: datetime | None) -> Period:
    """The period. Raises InputError if it ends before it begins, or lies beyond the calendar."""
    last = end.timestamp() if end else time.time()
    first = start.timestamp() if start else last - DEFAULT_DAYS * DAY_S
    if first >= last:
        raise InputError("The period ends before it begins: `start` must be before `end`.", "start")
    return Period(max(first, 0.0), min(last, datetime(9999, 1, 1, tzinfo=UTC).timestamp()))


def _whole_days(period: Period) -> tuple[str, str]:
    first, end = period.days
    return iso(first * float(DAY_S)), iso(end * float(DAY_S))


def _csv(name: str, schema: type[Strict], rows: Iterable[Strict]) -> Response:
    blocks = export((row.model_dump() for row in rows), tuple(schema.model_fields), "csv")
    headers = {"Content-Disposition": f'attachment; filename="{name}.csv"'}
    return StreamingResponse(blocks, media_type=CSV, headers=headers)
