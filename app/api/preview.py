"""A preview of an edit: what questions would get if an entry were saved."""

from fastapi import Request
from pydantic import Field
from starlette.exceptions import HTTPException

from app.api.ask import answer_of
from app.api.entry_schemas import EntryBody
from app.api.routing import admin_router
from app.api.schemas import MAX_BATCH, Answer, AskBatch, Strict, Suggestion
from app.api.state import Service
from app.http.admission import TimeoutMs
from app.ranking.decision import Status
from app.releases.preview import preview

router = admin_router("knowledge", "edit", also=(408, 413, 504))


class Preview(AskBatch):
    """An entry as it would be saved, and questions with their options."""

    entry: EntryBody = Field(description="Whole. With the id of an entry that answers now, it takes its place.")


class PreviewResult(Strict):
    """What a question would get, as `/v1/ask` has it."""

    question: str
    status: Status
    answers: list[Answer]
    suggestions: list[Suggestion]


class PreviewReply(Strict):
    """The results, in the order of the questions. `release`: the one whose other entries were asked."""

    results: list[PreviewResult]
    release: str


@router.post("/entries/preview")
async def preview_entry(
    body: Preview, request: Request, service: Service, timeout_ms: TimeoutMs = None
) -> PreviewReply:
    """What `/v1/ask` would answer to up to 32 questions if this entry were saved. Nothing is saved or counted."""
    if len(body.questions) > MAX_BATCH:
        raise HTTPException(413, f"The preview has {len(body.questions)} questions; the limit is {MAX_BATCH}.")
    entry, questions = body.entry.entry(), body.questions
    async with service.admission.admit(request, len(questions), timeout_ms), service.live.answerer() as answerer:
        replies = await preview(answerer, entry, questions, body.top_k, body.min_confidence, body.where)
        release = answerer.release
    texts = [answer.answer for reply in replies for answer in reply.answers]
    pages = await service.renderings.of(texts) if body.render else {}
    results = [
        PreviewResult(
            question=question,
            status=reply.status,
            answers=[answer_of(answer, pages) for answer in reply.answers],
            suggestions=[
                Suggestion(faq_id=entry.id, question=entry.question, confidence=round(entry.confidence, 4))
                for entry in reply.suggestions
            ],
        )
        for question, reply in zip(questions, replies, strict=True)
    ]
    return PreviewReply(results=results, release=release)
