"""The admin route that compares two releases question by question."""

import asyncio
from collections import Counter
from typing import Annotated, Literal, NamedTuple

from fastapi import Path, Query

from app.api.golden import LARGEST
from app.api.golden_schemas import ComparedReply, Comparison
from app.api.routing import admin_router
from app.api.state import Service, Services
from app.errors import Conflict, InputError
from app.golden.judging import Expected, Verdict
from app.http.problem import documented
from app.releases import examining

router = admin_router("golden questions", "publish", "edit")
MOST = 200  # questions of a page: each is asked of both releases

Name = Annotated[str, Path(max_length=200, description="Name of a release that `GET /v1/admin/releases` lists.")]


@router.get("/releases/{before}/compare/{after}", operation_id="compare_releases", responses=documented(404, 409))
async def compare_releases(
    before: Name,
    after: Name,
    service: Service,
    verdict: Annotated[list[Verdict] | None, Query(description="Only questions with one of these verdicts.")] = None,
    source: Annotated[
        Literal["golden", "log"], Query(description="Golden questions, or those that users asked, newest first.")
    ] = "golden",
    limit: Annotated[int, Query(ge=1, le=MOST, description="Questions that are asked for this page.")] = 50,
    cursor: Annotated[
        str | None, Query(alias="after", max_length=2000, description="`next_after` of the page before.")
    ] = None,
) -> Comparison:
    """What two releases answer to golden questions, or to logged ones, a page at a time.

    409 where the log keeps no texts of questions.
    """
    read = _golden if source == "golden" else _logged
    page = await asyncio.to_thread(read, service, limit, cursor)
    parts = service.catalog, service.live, before, after, page.questions
    compared = await examining.compare_releases(*parts, known=source == "golden")
    chosen = [item for item in compared if not verdict or item.verdict in verdict]
    return Comparison(
        before=before,
        after=after,
        questions=[ComparedReply.of(item) for item in chosen],
        counts=Counter(item.verdict for item in compared),
        total=page.total,
        next_after=page.next_after,
    )


class _Page(NamedTuple):
    """The questions of a page. `total`: of all pages; None where they are not counted."""

    questions: list[Expected]
    total: int | None
    next_after: str | None


def _golden(service: Services, limit: int, after: str | None) -> _Page:
    if after is not None and not (after.isascii() and after.isdigit() and int(after) <= LARGEST):
        raise InputError("`after` is not `next_after` of a page of golden questions.", "after")
    page = service.golden.page(limit, None if after is None else int(after))
    following = None if page.next_after is None else str(page.next_after)
    return _Page([Expected(golden.question, golden.faq_id) for golden in page.questions], page.total, following)


def _logged(service: Services, limit: int, after: str | None) -> _Page:
    if service.questions.notice and service.questions.log.is_empty():
        raise Conflict(f"There are no logged questions to ask. {service.questions.notice}")
    page = service.questions.log.page(limit, after)
    texts = dict.fromkeys(logged.question for logged in page.questions)
    return _Page([Expected(text, None) for text in texts], None, page.next_after)
