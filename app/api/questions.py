"""Admin routes for what users asked and said of the answers: list, export, erase."""

import asyncio
from typing import Annotated, Any

from fastapi import Query, Request
from fastapi.responses import StreamingResponse
from pydantic import AwareDatetime

from app.api.entry import caller_of
from app.api.question_schemas import (
    ErasureReply,
    FeedbackItem,
    FeedbackList,
    LoggedQuestion,
    QuestionList,
)
from app.api.routing import admin_router
from app.api.state import Service
from app.errors import Conflict
from app.http import audit
from app.http.problem import documented
from app.questions.exports import MEDIA_TYPES, RowFormat, export
from app.questions.feedback import FeedbackSelection
from app.questions.selection import Selection
from app.ranking.decision import Status

router = admin_router("questions", "edit")

Limit = Annotated[int, Query(ge=1, le=1000)]
After = Annotated[str | None, Query(max_length=2000, description="`next_after` of the page before.")]
From = Annotated[AwareDatetime | None, Query(description="At or after this moment.")]
Before = Annotated[AwareDatetime | None, Query(description="Before this moment.")]
Session = Annotated[
    str, Query(min_length=1, max_length=64, pattern=r"^[A-Za-z0-9._~-]+$", description="As the client sent it.")
]
FILES: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "The file. CSV is UTF-8 with a byte order mark, and every cell is quoted.",
        "content": {kind: {"schema": {"type": "string", "format": "binary"}} for kind in MEDIA_TYPES.values()},
    }
}


@router.get("/questions")
def list_questions(
    service: Service,
    limit: Limit = 50,
    after: After = None,
    search: Annotated[str | None, Query(max_length=1000, description="Text that the question must hold.")] = None,
    outcome: Annotated[list[Status] | None, Query(description="One of these; may be repeated.")] = None,
    faq_id: Annotated[str | None, Query(max_length=200, description="The best entry.")] = None,
    session: Annotated[str | None, Query(max_length=64)] = None,
    release: Annotated[str | None, Query(max_length=200)] = None,
    helpful: Annotated[bool | None, Query(description="What a user said of the reply.")] = None,
    asked_from: From = None,
    asked_before: Before = None,
) -> QuestionList:
    """A page of the logged questions that match, newest first. A question is listed some seconds after it was asked."""
    selection = Selection(
        search, outcome or (), faq_id, session, release, helpful, _seconds(asked_from), _seconds(asked_before)
    )
    page = service.questions.log.page(limit, after, selection)
    questions = [LoggedQuestion.of(logged) for logged in page.questions]
    return QuestionList(questions=questions, next_after=page.next_after, notice=service.questions.notice)


@router.get("/questions/export", response_class=StreamingResponse, responses=FILES | documented(409))
def export_questions(
    request: Request,
    service: Service,
    kind: Annotated[RowFormat, Query(alias="format", description="The format of the file.")] = "jsonl",
    asked_from: From = None,
    asked_before: Before = None,
) -> StreamingResponse:
    """Every logged question, newest first, as a file. Needs the scope `admin`."""
    caller_of(request).check("admin")
    log, notice = service.questions.log, service.questions.notice
    if notice and log.is_empty():
        raise Conflict(f"There is nothing to export. {notice}")
    selection = Selection(asked_from=_seconds(asked_from), asked_before=_seconds(asked_before))
    rows = (LoggedQuestion.of(logged).model_dump() for logged in log.stream(selection))
    audit.record(request, "export questions")
    headers = {"Content-Disposition": f'attachment; filename="questions.{kind}"'}
    blocks = export(rows, tuple(LoggedQuestion.model_fields), kind)
    return StreamingResponse(blocks, media_type=MEDIA_TYPES[kind], headers=headers)


@router.delete("/questions")
async def erase_questions(session: Session, request: Request, service: Service) -> ErasureReply:
    """Erase every question and feedback of a session. Needs the scope `admin`.

    Questions that another replica answered in the last seconds are not written yet; repeat the request for these.
    """
    caller_of(request).check("admin")
    await service.questions.flush()
    erased = await asyncio.to_thread(service.questions.log.erase, session)
    audit.record(request, "erase questions")
    return ErasureReply(questions=erased.questions, feedback=erased.feedback)


@router.get("/feedback")
def list_feedback(
    service: Service,
    limit: Limit = 50,
    after: After = None,
    helpful: Annotated[bool | None, Query()] = None,
    faq_id: Annotated[str | None, Query(max_length=200, description="The answer that is meant.")] = None,
    corrected: Annotated[bool | None, Query(description="Whether it names the entry that would be right.")] = None,
    given_from: From = None,
    given_before: Before = None,
) -> FeedbackList:
    """A page of the feedback that matches, newest first."""
    selection = FeedbackSelection(helpful, faq_id, corrected, _seconds(given_from), _seconds(given_before))
    page = service.questions.feedbacks.page(limit, after, selection)
    return FeedbackList(feedback=[FeedbackItem.of(given) for given in page.feedback], next_after=page.next_after)


def _seconds(moment: AwareDatetime | None) -> float | None:
    """Seconds since 1970."""
    return None if moment is None else moment.timestamp()
