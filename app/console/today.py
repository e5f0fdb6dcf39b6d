"""What answers now, what was asked, and what needs a person: the first page, and the strip of the navigation."""

import time
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query, Request, Response
from fastapi.concurrency import run_in_threadpool

from app.console.charts import Stack
from app.console.guard import guarded
from app.console.outcomes import confidence_stacks, outcome_stacks
from app.console.page import page, part
from app.console.parts import Parts, Service
from app.console.unanswered import latest
from app.questions.asked import DAY_S
from app.questions.figures import EntryFigures, HelpfulShare, HourFigures, Period, TopQuestion
from app.releases.standing import Standing, standing

router = APIRouter(prefix="/console", include_in_schema=False, route_class=guarded("edit", "publish"))
SHOWN = 8  # questions and entries of each list
Days = Literal["1", "7", "30"]


@dataclass(frozen=True)
class Need:
    """Something that waits for a person: how much of it, and the page where it is done."""

    name: str
    count: int
    address: str


@dataclass(frozen=True)
class Asked:
    """What was asked in a period: the outcomes over time, their sums, and the lists of what stands out."""

    outcomes: list[Stack]
    confidences: list[Stack]
    counts: dict[str, int]
    waiting: int  # clusters of unanswered questions
    helpful: HelpfulShare
    top: list[TopQuestion]
    best: list[EntryFigures]

    @property
    def total(self) -> int:
        """All questions."""
        return sum(self.counts.values())


@router.get("/state")
async def show_state(request: Request, service: Service) -> Response:
    """The strip: the release, what is not published yet, and the job that runs."""
    now = await standing(service.catalog, service.store, service.jobs)
    pending = await run_in_threadpool(service.updater.awaited) if service.updater.mode != "off" else None
    values: dict[str, Any] = {"standing": now, "updating": bool(pending), "failure": service.updater.failure}
    return await run_in_threadpool(part, request, "state.html", **values)


@router.get("/today")
async def show_today(
    request: Request, service: Service, days: Annotated[Days, Query(description="The length of the period.")] = "7"
) -> Response:
    """What answers now, what was asked, and what to do."""
    now = await standing(service.catalog, service.store, service.jobs)
    return await run_in_threadpool(_page, request, service, now, days)


def _page(request: Request, service: Parts, now: Standing, days: Days) -> Response:
    asked = _asked(service, int(days), time.time())
    needs = _needs(service, now, asked, request.state.caller.scopes)
    values: dict[str, Any] = {"standing": now, "asked": asked, "needs": needs, "days": days}
    return page(
        request, "today.html", here="today", mode=service.questions.mode, notice=service.questions.notice, **values
    )


def _asked(service: Parts, days: int, now: float) -> Asked:
    period = Period(now - days * DAY_S, now)
    statistics = service.questions.statistics
    hours = statistics.hours(period)
    return Asked(
        outcome_stacks(hours, period, days),
        confidence_stacks(statistics.confidences(period)),
        _counts(hours),
        len(service.unanswered.grouped(latest())),
        statistics.helpful(period),
        statistics.top_questions(period, SHOWN) if service.questions.keeps_texts else [],
        statistics.best_entries(period, SHOWN),
    )


def _counts(hours: list[HourFigures]) -> dict[str, int]:
    statuses = ("answered", "ambiguous", "no_answer")
    return {status: sum(getattr(hour, status) for hour in hours) for status in statuses}


def _needs(service: Parts, now: Standing, asked: Asked, scopes: frozenset[str]) -> list[Need]:
    needs = [
        Need("blocked", len(service.runs.blocked()), "releases"),
        Need("changed", now.counts.changed, "releases"),
    ]
    if "edit" in scopes:
        needs.insert(0, Need("unanswered", asked.waiting, "unanswered"))
        needs.append(Need("drafts", now.counts.states.get("draft", 0), "entries?view=draft"))
    return [need for need in needs if need.count]
