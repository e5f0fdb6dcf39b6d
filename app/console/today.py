"""What answers now and what needs a person: the first page, and the strip of the navigation."""

from dataclasses import dataclass
from typing import Any

from fastapi import APIRouter, Request, Response
from fastapi.concurrency import run_in_threadpool

from app.console.guard import guarded
from app.console.page import page, part
from app.console.parts import Service
from app.http.metrics import Metrics
from app.releases.standing import Standing, standing

router = APIRouter(prefix="/console", include_in_schema=False, route_class=guarded("edit", "publish"))


@dataclass(frozen=True)
class Need:
    """Something that waits for a person: how much of it, and the page where it is done."""

    name: str
    count: int
    address: str


@dataclass(frozen=True)
class Asked:
    """Questions by the status of their reply, since the service was started."""

    counts: dict[str, int]

    @property
    def total(self) -> int:
        """All of them."""
        return sum(self.counts.values())


@router.get("/state")
async def show_state(request: Request, service: Service) -> Response:
    """The strip: the release, what is not published yet, and the job that runs."""
    now = await standing(service.catalog, service.store, service.jobs)
    pending = await run_in_threadpool(service.updater.awaited) if service.updater.mode != "off" else None
    values: dict[str, Any] = {"standing": now, "updating": bool(pending), "failure": service.updater.failure}
    return await run_in_threadpool(part, request, "state.html", **values)


@router.get("/today")
async def show_today(request: Request, service: Service) -> Response:
    """What answers now, what was asked, and what to do."""
    now = await standing(service.catalog, service.store, service.jobs)
    values: dict[str, Any] = {
        "standing": now,
        "asked": _asked(service.metrics),
        "needs": _needs(now, request.state.caller.scopes),
    }
    return await run_in_threadpool(page, request, "today.html", here="today", **values)


def _asked(metrics: Metrics) -> Asked:
    statuses = ("answered", "ambiguous", "no_answer")
    samples = {
        sample.labels["status"]: sample
        for family in metrics.questions.collect()
        for sample in family.samples
        if sample.name.endswith("_total")
    }
    return Asked({status: int(samples[status].value) for status in statuses})


def _needs(now: Standing, scopes: frozenset[str]) -> list[Need]:
    needs = [Need("changed", now.counts.changed, "releases")]
    if "edit" in scopes:
        needs.append(Need("drafts", now.counts.states.get("draft", 0), "entries?view=draft"))
    return [need for need in needs if need.count]
