"""The route by which users say what they think of an answer. A token of the reply takes the place of a key."""

import time
from collections.abc import Callable, Coroutine
from typing import Any

from fastapi import APIRouter, Request, Response
from fastapi.routing import APIRoute
from starlette.exceptions import HTTPException

from app.api.question_schemas import FeedbackBody, FeedbackReply
from app.api.state import Service, Services
from app.errors import Conflict, InputError, NotFound
from app.http.problem import documented
from app.http.security import Caller, admit_without_key
from app.questions.feedback import Subject
from app.questions.questions import TURN_ON
from app.questions.token import Facts


class _WithoutKey(APIRoute):
    """Checks the rate, and the key of a request that has one, before it reads anything else of it."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handle = super().get_route_handler()

        async def check(request: Request) -> Response:
            admit_without_key(request)
            return await handle(request)

        return check


router = APIRouter(prefix="/v1", tags=["feedback"], route_class=_WithoutKey)

OFF = "Feedback is off, because FAQ_LOG_QUESTIONS=off keeps nothing. Set it to counts, redacted or full."


@router.post("/feedback", responses=documented(401, 403, 408, 409, 413, 422, 429, 500, 503))
def give_feedback(body: FeedbackBody, request: Request, service: Service) -> FeedbackReply:
    """Say whether an answer was helpful, once for each request and answer; a day long it can be changed.

    The question's text and the comment are stored redacted.
    """
    if service.questions.mode == "off":
        raise Conflict(OFF)
    caller: Caller | None = request.state.caller
    now, key_name = time.time(), caller.name if caller else None
    if body.token is not None:
        facts = service.questions.tokens.facts(body.token, now)
        _check(body, facts)
        subject = _proven(body, facts, service, key_name)
    elif caller is not None:
        subject = _logged(body, service, key_name)
    else:
        raise HTTPException(401, "Send `token`, which is `feedback_token` of the reply, or a key.")
    return FeedbackReply.of(service.questions.feedbacks.give(subject, body.opinion(), now))


def _check(body: FeedbackBody, facts: Facts) -> None:
    """Raise InputError for what contradicts the token."""
    if body.request_id != facts.request_id:
        raise InputError("The token belongs to another request.", "request_id")
    if body.faq_id is not None and not facts.has_shown(body.faq_id):
        raise InputError(f"The reply did not show the entry `{body.faq_id}`.", "faq_id")
    if body.question is not None and not facts.is_of(body.question):
        raise InputError("This is not the question that was asked. Send it unchanged, or leave it out.", "question")


def _proven(body: FeedbackBody, facts: Facts, service: Services, key_name: str | None) -> Subject:
    question = body.question
    if question is None:
        try:
            question = service.questions.log.get(facts.request_id).question
        except NotFound:
            question = None
    return Subject(facts.request_id, facts.outcome, facts.release, question, facts.session, key_name)


def _logged(body: FeedbackBody, service: Services, key_name: str | None) -> Subject:
    """The reply by the log. Raises InputError for one that is not in it, and for an answer that was not its best."""
    try:
        logged = service.questions.log.get(body.request_id)
    except NotFound as error:
        how = "" if service.questions.keeps_texts else f" To log questions: {TURN_ON}"
        raise InputError(f"{error} Send `token`, which is `feedback_token` of the reply.{how}", "token") from None
    if body.faq_id not in (None, logged.faq_id):
        raise InputError(f"Without `token` only the best answer can be meant, not `{body.faq_id}`.", "faq_id")
    return Subject(logged.request_id, logged.outcome, logged.release, logged.question, logged.session, key_name)
