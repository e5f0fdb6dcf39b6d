"""The question endpoint."""

import time
from collections.abc import Mapping, Sequence

from fastapi import APIRouter, Request
from starlette.exceptions import HTTPException

from app.answering import Answered
from app.api.admission import TimeoutMs
from app.api.direct import Direct
from app.api.problem import documented
from app.api.request_id import new_id, request_id_of
from app.api.schemas import MAX_BATCH, Answer, Ask, AskBatch, BatchReply, Options, Reply, Suggestion
from app.api.state import Service, Services
from app.retrieval.ranking import Ranked

router = APIRouter(
    prefix="/v1",
    tags=["ask"],
    route_class=Direct,
    responses=documented(401, 408, 413, 415, 422, 429, 500, 503, 504),
)


@router.post("/ask")
async def ask(body: Ask, request: Request, service: Service, timeout_ms: TimeoutMs = None) -> Reply:
    """Answer one question, or say honestly that the FAQ does not."""
    async with service.admission.admit(request, 1, timeout_ms):
        (reply,) = await _answer(service, [body.question], body, [request_id_of(request.scope)])
    return reply


@router.post("/ask/batch")
async def ask_batch(body: AskBatch, request: Request, service: Service, timeout_ms: TimeoutMs = None) -> BatchReply:
    """Answer up to 32 questions; each is answered as it would be alone."""
    if len(body.questions) > MAX_BATCH:
        raise HTTPException(413, f"{len(body.questions)} questions; at most {MAX_BATCH} fit into a batch.")
    ids = [new_id() for _ in body.questions]
    async with service.admission.admit(request, len(body.questions), timeout_ms):
        return BatchReply(results=await _answer(service, body.questions, body, ids))


async def _answer(service: Services, questions: list[str], options: Options, ids: list[str]) -> list[Reply]:
    start = time.perf_counter()
    async with service.live.answerer() as answerer:
        answers = await answerer.ask(questions, options.top_k, options.min_confidence, options.where)
        release = answerer.release
    pages = await service.renderings.of(_texts(answers)) if options.render else {}
    seconds = time.perf_counter() - start
    service.metrics.answered(answers, seconds)
    return [_reply(one, pages, request_id, release, seconds) for one, request_id in zip(answers, ids, strict=True)]


def _texts(answers: Sequence[Answered]) -> list[str]:
    return [ranked.candidate.payload["answer"] for answered in answers for ranked in answered.answers]


def _reply(answered: Answered, pages: Mapping[str, str], request_id: str, release: str, seconds: float) -> Reply:
    return Reply(
        request_id=request_id,
        status=answered.status,
        answers=[_result(one, pages) for one in answered.answers],
        suggestions=[
            Suggestion(
                faq_id=one.candidate.id, question=one.candidate.payload["question"], confidence=round(one.confidence, 4)
            )
            for one in answered.suggestions
        ],
        release=release,
        took_ms=round(seconds * 1000, 2),
    )


def _result(ranked: Ranked, pages: Mapping[str, str]) -> Answer:
    payload = ranked.candidate.payload
    return Answer(
        faq_id=ranked.candidate.id,
        question=payload["question"],
        matched_question=None if ranked.matched is None else payload["phrasings"][ranked.matched],
        answer=payload["answer"],
        answer_html=pages.get(payload["answer"]),
        score=round(ranked.score, 4),
        confidence=round(ranked.confidence, 4),
        metadata=payload["metadata"],
    )
