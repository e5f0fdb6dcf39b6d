"""What answers now and what needs a person: the first page, and the strip of the navigation."""

from fastapi import APIRouter, Request, Response
from fastapi.concurrency import run_in_threadpool

from app.console.guard import guarded
from app.console.page import page, part
from app.console.parts import Service
from app.releases.standing import standing

router = APIRouter(prefix="/console", include_in_schema=False, route_class=guarded("edit", "publish"))


@router.get("/state")
async def show_state(request: Request, service: Service) -> Response:
    """The strip: the release, what is not published yet, and the job that runs."""
    now = await standing(service.catalog, service.store, service.jobs)
    return await run_in_threadpool(part, request, "state.html", standing=now)


@router.get("/today")
async def show_today(request: Request, service: Service) -> Response:
    """What answers now."""
    now = await standing(service.catalog, service.store, service.jobs)
    return await run_in_threadpool(page, request, "today.html", here="today", standing=now)
