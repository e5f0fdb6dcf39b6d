"""Live effect: what questions would get if the entry in the editor were saved, beside what they get now, and what is
probably a mistake in it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from fastapi import APIRouter, Request, Response
from fastapi.concurrency import run_in_threadpool

from app.console.forms import EntryForm, FormError
from app.console.guard import guarded
from app.console.page import part
from app.console.parts import Form, Parts, Service
from app.errors import NotFound, NotReady
from app.knowledge.entry import Entry
from app.questions.selection import Selection
from app.releases.checking import findings_about
from app.releases.preview import preview
from app.replies import Reply
from app.text.limits import QUESTION_LENGTH

router = APIRouter(prefix="/console", include_in_schema=False, route_class=guarded("edit"))
OWN, TRIED, RECENT = 10, 8, 6  # questions of each kind
Kind = Literal["own", "tried", "recent"]


@dataclass(frozen=True)
class Effect:
    """One question: what it gets now, and what it would get. `here`: whether the entry would answer it."""

    question: str
    kind: Kind
    before: Reply
    after: Reply
    here: bool


@router.post("/effect")
async def show_effect(request: Request, service: Service, form: Form) -> Response:
    """The effect on the entry's own questions, on those that were typed, and on those asked lately."""
    sent = EntryForm.of_form(form)
    values: dict[str, Any] = {"effects": [], "findings": [], "state": "ready", "notice": service.questions.notice}
    try:
        entry = sent.entry(await run_in_threadpool(_present, service, sent.id.strip()))
        values["findings"] = (await findings_about(service.store, service.live, [entry]))[entry.id]
        recent = await run_in_threadpool(_recent, service, entry.id)
        questions = _questions(entry, str(form.get("tried", "")), recent)
        if questions:
            values["effects"] = await _effects(request, service, entry, questions)
    except FormError:
        values["state"] = "unfinished"
    except NotReady:
        values["state"] = "unpublished"
    return await run_in_threadpool(part, request, "effect.html", **values)


async def _effects(request: Request, service: Parts, entry: Entry, questions: dict[str, Kind]) -> list[Effect]:
    texts = list(questions)
    async with service.admission.admit(request, 2 * len(texts), None), service.live.answerer() as answerer:
        before = await answerer.examine(texts)
        after = await preview(answerer, entry, texts)
    return [
        Effect(text, questions[text], was.reply, is_, bool(is_.answers) and is_.answers[0].id == entry.id)
        for text, was, is_ in zip(texts, before, after, strict=True)
    ]


def _questions(entry: Entry, tried: str, recent: Sequence[str]) -> dict[str, Kind]:
    """The questions to ask, each once, with their kind."""
    lines = [line.strip()[:QUESTION_LENGTH] for line in tried.splitlines() if line.strip()]
    questions: dict[str, Kind] = dict.fromkeys(lines[:TRIED], "tried")
    for text in entry.phrasings[:OWN]:
        questions.setdefault(text, "own")
    for text in recent:
        questions.setdefault(text, "recent")
    return questions


def _present(service: Parts, entry_id: str) -> Entry | None:
    try:
        return service.store.get(entry_id)
    except NotFound:
        return None


def _recent(service: Parts, entry_id: str) -> list[str]:
    """Questions that the entry was the best one for lately; none where texts are not kept."""
    if not service.questions.keeps_texts:
        return []
    page = service.questions.log.page(RECENT, None, Selection(faq_id=entry_id))
    return list(dict.fromkeys(logged.question for logged in page.questions))
