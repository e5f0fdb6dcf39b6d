"""The route that completes what a user types to questions of the FAQ."""

from typing import Annotated

from fastapi import APIRouter, Query

from app.api.schemas import MAX_QUESTION, Completion, Completions
from app.api.state import Service
from app.http.problem import documented
from app.http.security import guarded

router = APIRouter(prefix="/v1", tags=["ask"], route_class=guarded("ask"), responses=documented(401, 403, 429))


@router.get("/suggest")
async def suggest(
    service: Service,
    q: Annotated[str, Query(max_length=MAX_QUESTION, description="What the user has typed so far.")],
    limit: Annotated[int, Query(ge=1, le=20, description="The maximum number of questions.")] = 8,
) -> Completions:
    """Questions of the FAQ that hold every word of `q`, the last of which may be unfinished. Nothing is encoded."""
    completions = await service.completer.of(q, limit)
    return Completions(questions=[Completion(faq_id=entry.id, question=entry.question) for entry in completions])
