"""Another release beside the one that answers now: golden questions that get better, worse or other answers."""

from collections import Counter
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response
from fastapi.concurrency import run_in_threadpool

from app.console.guard import guarded
from app.console.page import page
from app.console.parts import Service
from app.errors import NotReady
from app.golden.judging import Expected
from app.releases.examining import compare_releases

router = APIRouter(prefix="/console", include_in_schema=False, route_class=guarded("edit", "publish"))
MOST = 200  # questions; each is asked of both releases
ORDER = ("worse", "better", "changed")


@router.get("/compare")
async def show_comparison(
    request: Request, service: Service, release: Annotated[str, Query(max_length=200)]
) -> Response:
    """What the golden questions would get from the release, where it differs."""
    active = service.live.release
    if active is None:
        raise NotReady("Nothing is published yet.")
    results = await run_in_threadpool(service.golden.page, MOST)
    questions = [Expected(golden.question, golden.faq_id) for golden in results.questions]
    compared = await compare_releases(service.catalog, service.live, active, release, questions) if questions else []
    differing = [item for verdict in ORDER for item in compared if item.verdict == verdict]
    ids = {outcome.answer for item in differing for outcome in (item.before, item.after) if outcome.answer}
    titles = await run_in_threadpool(service.store.questions_of, sorted(ids))
    values: dict[str, Any] = {
        "active": active,
        "release": release,
        "differing": differing,
        "counts": Counter(item.verdict for item in compared),
        "asked": len(questions),
        "total": results.total,
        "titles": titles,
    }
    return await run_in_threadpool(page, request, "compare.html", here="releases", **values)
