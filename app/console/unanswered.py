"""Unanswered: one question at a time that the FAQ answered badly, its nearest entries, and what to do about it."""

import time
from dataclasses import dataclass
from typing import Annotated, Any
from urllib.parse import quote

from fastapi import APIRouter, Query, Request, Response
from fastapi.concurrency import run_in_threadpool
from starlette.datastructures import FormData

from app.answering import Answerer
from app.console.changes import Step, undo_all
from app.console.flash import Flash
from app.console.guard import guarded
from app.console.page import moved, page
from app.console.parts import Form, Service
from app.console.texts import texts
from app.console.trying import taught
from app.errors import InputError, NotReady
from app.http import audit
from app.questions.asked import DAY_S
from app.questions.reviewing import Waiting
from app.questions.statistics import Period
from app.ranking.ranking import Ranked

router = APIRouter(prefix="/console", include_in_schema=False, route_class=guarded("edit"))
DAYS = 30
NEAREST = 5  # entries that a card shows
LOOKED_AT = 6  # questions that are asked again to find one that still fails


@dataclass(frozen=True)
class Card:
    """A question that waits, with the entries nearest to it now, best first."""

    waiting: Waiting
    nearest: list[Ranked]


@router.get("/unanswered")
async def show_unanswered(
    request: Request, service: Service, skip: Annotated[int, Query(ge=0, le=10_000)] = 0
) -> Response:
    """The next card. `skip`: how many of the first ones to leave for later."""
    reviews, now = service.questions.reviews, time.time()
    waiting = await run_in_threadpool(reviews.waiting, Period(now - DAYS * DAY_S, now))
    card, examples = None, list[str]()
    try:
        async with service.live.answerer() as answerer:
            card = await _card(answerer, waiting[skip:])
    except NotReady:
        card = Card(waiting[skip], []) if waiting[skip:] else None
    if card:
        examples = await run_in_threadpool(reviews.examples, card.waiting)
    values: dict[str, Any] = {"card": card, "examples": examples, "left": len(waiting), "skip": skip, "days": DAYS}
    values |= {"notice": service.questions.notice, "next": waiting.index(card.waiting) + 1 if card else 0}
    return await run_in_threadpool(page, request, "unanswered.html", here="unanswered", **values)


@router.post("/review-accept")
def accept(request: Request, service: Service, form: Form) -> Response:
    """The question becomes a phrasing of an entry."""
    key, failed, question = _reviewed(form)
    entry_id, by = str(form.get("id", "")), request.state.caller.name
    if not entry_id:
        raise InputError(texts().unanswered.choose)
    with service.store.edit(by) as editor:
        before = editor.get(entry_id)
        stored = editor.change(entry_id, lambda entry: taught(entry, question, "alternatives"), [before.etag])
    service.questions.reviews.finish(key, failed, by, time.time())
    service.updater.notify()
    audit.record(request, "phrasing", entry_id)
    step = [("step", str(Step.after(stored, before.version)))] if stored.version != before.version else []
    return moved(request, "unanswered", _done(texts().unanswered.accepted, key, step))


@router.post("/review-new")
def write_entry(request: Request, service: Service, form: Form) -> Response:
    """The question becomes an entry of its own, which the editor opens."""
    key, failed, question = _reviewed(form)
    service.questions.reviews.finish(key, failed, request.state.caller.name, time.time())
    address = f"new?question={quote(question, safe='')}"
    return moved(request, address, _done(texts().unanswered.writing, key, []))


@router.post("/review-dismiss")
def dismiss(request: Request, service: Service, form: Form) -> Response:
    """The question needs no answer; it returns when it has been asked twice as often."""
    key, failed, _ = _reviewed(form)
    service.questions.reviews.finish(key, failed, request.state.caller.name, time.time())
    audit.record(request, "dismiss question", str(key))
    return moved(request, "unanswered", _done(texts().unanswered.dismissed, key, []))


@router.post("/review-undo")
def undo(request: Request, service: Service, form: Form) -> Response:
    """The question waits again, and the entry is as it was before."""
    steps = [Step.of(str(text)) for text in form.getlist("step")]
    with service.store.edit(request.state.caller.name) as editor:
        undo_all(editor, steps)
    service.questions.reviews.reopen(_number(form, "key"))
    service.updater.notify()
    audit.record(request, "undo review", str(form.get("key")))
    return moved(request, "unanswered", Flash("done", texts().flash.undone).as_dict())


async def _card(answerer: Answerer, waiting: list[Waiting]) -> Card | None:
    """The first question that the live release still does not answer, or the last one that is looked at."""
    card = None
    for item in waiting[:LOOKED_AT]:
        (examined,) = await answerer.examine([item.question])
        card = Card(item, examined.ranked[:NEAREST])
        if examined.reply.status != "answered" or item.unhelpful:
            break
    return card


def _reviewed(form: FormData) -> tuple[int, int, str]:
    """The key of the question, how often it had failed, and its text. Raises InputError."""
    question = str(form.get("question", "")).strip()
    if not question:
        raise InputError(texts().errors.parameters)
    return _number(form, "key"), _number(form, "failed"), question


def _number(form: FormData, name: str) -> int:
    text = str(form.get(name, ""))
    if not text.isdecimal() or int(text) >= 2**63:
        raise InputError(texts().errors.parameters)
    return int(text)


def _done(text: str, key: int, steps: list[tuple[str, str]]) -> dict[str, Any]:
    return Flash("done", text, (("key", str(key)), *steps), "review-undo").as_dict()
