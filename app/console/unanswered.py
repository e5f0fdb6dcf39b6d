"""Unanswered: one cluster at a time of questions that the FAQ answered badly, its nearest entries, and what to do."""

import time
from collections.abc import Sequence
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
from app.console.parts import Form, Parts, Service
from app.console.texts import texts
from app.errors import InputError, NotReady
from app.http import audit
from app.questions.asked import DAY_S
from app.questions.deciding import Decided, Decision, cluster_of, decide
from app.questions.figures import Period
from app.questions.reviewing import Act
from app.questions.unanswered import Cluster, key_of_name, name_of
from app.ranking.ranked import RankedEntry

router = APIRouter(prefix="/console", include_in_schema=False, route_class=guarded("edit"))
DAYS = 30
NEAREST = 5  # entries that a card shows
EXAMPLES = 10  # questions that a card shows
LOOKED_AT = 6  # clusters that are asked again to find one that still fails


@dataclass(frozen=True)
class Card:
    """A cluster that waits, with the entries nearest to it now, best first."""

    cluster: Cluster
    nearest: list[RankedEntry]


def latest() -> Period:
    """The period whose questions are shown."""
    now = time.time()
    return Period(now - DAYS * DAY_S, now)


@router.get("/unanswered")
async def show_unanswered(
    request: Request, service: Service, skip: Annotated[int, Query(ge=0, le=10_000)] = 0
) -> Response:
    """The next card. `skip`: how many of the first ones to leave for later."""
    waiting = await service.unanswered.clusters(latest())
    card = None
    try:
        async with service.live.answerer() as answerer:
            card = await _card(answerer, waiting[skip:])
    except NotReady:
        card = Card(waiting[skip], []) if waiting[skip:] else None
    values: dict[str, Any] = {"card": card, "left": len(waiting), "skip": skip, "days": DAYS, "shown": EXAMPLES}
    values |= {"notice": service.questions.notice, "next": waiting.index(card.cluster) + 1 if card else 0}
    return await run_in_threadpool(page, request, "unanswered.html", here="unanswered", **values)


@router.post("/review-accept")
async def accept(request: Request, service: Service, form: Form) -> Response:
    """The questions become phrasings of an entry."""
    return await _learned(request, service, form, "alternatives")


@router.post("/review-refuse")
async def refuse(request: Request, service: Service, form: Form) -> Response:
    """The questions become ones that an entry must not answer."""
    return await _learned(request, service, form, "negatives")


@router.post("/review-new")
async def write_entry(request: Request, service: Service, form: Form) -> Response:
    """The questions become a draft, which the editor opens."""
    decided = await _decided(request, service, form, "draft")
    address = f"entry?id={quote(decided.stored.entry.id, safe='')}" if decided.stored else "unanswered"
    return moved(request, address, _done(texts().unanswered.writing, decided))


@router.post("/review-dismiss")
async def dismiss(request: Request, service: Service, form: Form) -> Response:
    """The cluster needs no answer; it returns when it has failed twice as often."""
    decided = await _decided(request, service, form, "dismiss")
    return moved(request, "unanswered", _done(texts().unanswered.dismissed, decided))


@router.post("/review-undo")
def undo(request: Request, service: Service, form: Form) -> Response:
    """The questions wait again, and the entry is as it was before."""
    steps, keys = [Step.of(str(text)) for text in form.getlist("step")], _keys(form.getlist("question"))
    with service.store.edit(request.state.caller.name) as editor:
        undo_all(editor, steps)
    service.questions.reviews.reopen(keys)
    service.updater.notify()
    audit.record(request, "undo review", ",".join(map(name_of, keys[:10])))
    return moved(request, "unanswered", Flash("done", texts().flash.undone).as_dict())


async def _card(answerer: Answerer, waiting: list[Cluster]) -> Card | None:
    """The first cluster that the live release still does not answer, or the last one that is looked at."""
    card = None
    for cluster in waiting[:LOOKED_AT]:
        (examined,) = await answerer.examine([cluster.questions[0].question])
        card = Card(cluster, list(examined.ranked.take(slice(NEAREST))))
        if examined.reply.status != "answered" or cluster.count("unhelpful"):
            break
    return card


async def _learned(request: Request, service: Parts, form: FormData, act: Act) -> Response:
    if not form.get("id"):
        raise InputError(texts().unanswered.choose)
    decided = await _decided(request, service, form, act)
    said = texts().unanswered.accepted if act == "alternatives" else texts().unanswered.refused
    return moved(request, "unanswered", _done(said, decided))


async def _decided(request: Request, service: Parts, form: FormData, act: Act) -> Decided:
    """Carry out what the form says about its cluster. Raises InputError, Conflict where the cluster has changed."""
    name, version = str(form.get("cluster", "")), str(form.get("version", ""))
    decision = Decision(act, _keys(form.getlist("question")), str(form.get("id", "")) or None)
    cluster = cluster_of(await service.unanswered.clusters(latest()), name, version)
    by, reviews = request.state.caller.name, service.questions.reviews
    decided = await run_in_threadpool(decide, service.store, reviews, cluster, decision, by)
    if decided.changed:
        service.updater.notify()
    audit.record(request, f"unanswered {act}", f"{name} {decided.stored.entry.id if decided.stored else ''}".strip())
    return decided


def _keys(values: Sequence[object]) -> list[int]:
    """The keys of questions, written as `name_of` does. Raises InputError."""
    return [key_of_name(str(value)) for value in values]


def _done(text: str, decided: Decided) -> dict[str, Any]:
    fields = [("question", name_of(question.key)) for question in decided.questions]
    if decided.stored and decided.changed:
        fields.append(("step", str(Step.after(decided.stored, decided.before))))
    return Flash("done", text, tuple(fields), "review-undo").as_dict()
