"""The admin route that compares two releases question by question."""

import asyncio
from collections import Counter
from typing import Annotated

from fastapi import APIRouter, Path, Query

from app.api.golden import LARGEST
from app.api.golden_schemas import ComparedReply, Comparison
from app.api.state import Service
from app.golden.judging import Expected, Verdict
from app.http.problem import documented
from app.http.security import KEYS, guarded
from app.releases import examining

router = APIRouter(
    prefix="/v1/admin",
    tags=["golden questions"],
    route_class=guarded("publish", "edit"),
    dependencies=KEYS,
    responses=documented(401, 403, 422, 429, 500, 503),
)
MOST = 200  # questions of a page: each is asked of both releases

Name = Annotated[str, Path(max_length=200, description="Name of a release that `GET /v1/admin/releases` lists.")]


@router.get("/releases/{before}/compare/{after}", operation_id="compare_releases", responses=documented(404))
async def compare_releases(
    before: Name,
    after: Name,
    service: Service,
    verdict: Annotated[list[Verdict] | None, Query(description="Only questions with one of these verdicts.")] = None,
    limit: Annotated[int, Query(ge=1, le=MOST, description="Questions that are asked for this page.")] = 50,
    cursor: Annotated[
        int | None, Query(alias="after", ge=0, le=LARGEST, description="`next_after` of the page before.")
    ] = None,
) -> Comparison:
    """What two releases answer to the golden questions, a page at a time."""
    page = await asyncio.to_thread(service.golden.page, limit, cursor)
    questions = [Expected(golden.question, golden.faq_id) for golden in page.questions]
    compared = await examining.compare_releases(service.catalog, service.live, before, after, questions)
    chosen = [item for item in compared if not verdict or item.verdict in verdict]
    return Comparison(
        before=before,
        after=after,
        questions=[ComparedReply.of(item) for item in chosen],
        counts=Counter(item.verdict for item in compared),
        total=page.total,
        next_after=page.next_after,
    )
