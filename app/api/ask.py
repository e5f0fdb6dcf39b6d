"""The routes that answer questions."""

import time
from collections.abc import Mapping

from fastapi import APIRouter, Request
from starlette.exceptions import HTTPException

from app import replies
from app.api.schemas import MAX_BATCH, Answer, Ask, AskBatch, BatchReply, FollowUp, Options, Reply, Suggestion
from app.api.state import Service, Services
from app.http.admission import TimeoutMs
from app.http.direct import Direct
from app.http.problem import documented
from app.http.request_id import request_id_of
from app.http.security import Caller

router = APIRouter(
    prefix="/v1",
    tags=["ask"],
    route_class=Direct,
    responses=documented(401, 408, 413, 415, 422, 429, 500, 503, 504),
)


@router.post("/ask")
async def ask(body: Ask, request: Request, service: Service, timeout_ms: TimeoutMs = None) -> Reply:
    """Answer one question, or say that the FAQ has no answer to it."""
    async with service.admission.admit(request, 1, timeout_ms):
        (reply,) = await _answer(service, [body.question], body, request, [request_id_of(request.scope)])
    return reply


@router.post("/ask/batch")
async def ask_batch(body: AskBatch, request: Request, service: Service, timeout_ms: TimeoutMs = None) -> BatchReply:
    """Answer up to 32 questions. Each gets the answer that it would get alone."""
    if len(body.questions) > MAX_BATCH:
        raise HTTPException(413, f"The batch has {len(body.questions)} questions; the limit is {MAX_BATCH}.")
    request_id = request_id_of(request.scope)
    ids = [f"{request_id}-{number}" for number in range(1, len(body.questions) + 1)]
    async with service.admission.admit(request, len(body.questions), timeout_ms):
        return BatchReply(results=await _answer(service, body.questions, body, request, ids))


async def _answer(
    service: Services, questions: list[str], options: Options, request: Request, ids: list[str]
) -> list[Reply]:
    start = time.perf_counter()
    async with service.live.answerer() as answerer:
        client = request.state.client
        given = await answerer.ask(questions, options.top_k, options.min_confidence, options.where, client)
        release = answerer.release
    texts = [answer.answer for reply in given for answer in reply.answers]
    pages = await service.renderings.of(texts) if options.render else {}
    seconds = time.perf_counter() - start
    service.metrics.answered(given, seconds)
    caller: Caller | None = request.state.caller
    tokens = service.questions.record(
        questions,
        given,
        ids,
        release=release,
        took_ms=seconds * 1000,
        key_name=caller.name if caller else None,
        session=options.session,
    )
    return [
        _reply(reply, pages, request_id, token, release, seconds)
        for reply, request_id, token in zip(given, ids, tokens, strict=True)
    ]


def _reply(
    given: replies.Reply,
    pages: Mapping[str, str],
    request_id: str,
    feedback_token: str | None,
    release: str,
    seconds: float,
) -> Reply:
    return Reply(
        request_id=request_id,
        status=given.status,
        answers=[answer_of(answer, pages) for answer in given.answers],
        suggestions=[
            Suggestion(faq_id=entry.id, question=entry.question, confidence=round(entry.confidence, 4))
            for entry in given.suggestions
        ],
        release=release,
        took_ms=round(seconds * 1000, 2),
        feedback_token=feedback_token,
    )


def answer_of(answer: replies.Answer, pages: Mapping[str, str]) -> Answer:
    """An answer for the client. `pages`: the HTML of answers, by their texts."""
    return Answer(
        faq_id=answer.id,
        question=answer.question,
        matched_question=answer.matched_question,
        answer=answer.answer,
        answer_html=pages.get(answer.answer),
        score=round(answer.score, 4),
        confidence=round(answer.confidence, 4),
        metadata=answer.metadata,
        follow_ups=[FollowUp(**entry) for entry in answer.follow_ups],
    )
