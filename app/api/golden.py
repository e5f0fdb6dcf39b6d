"""Admin routes for golden questions and the history of their runs."""

from collections.abc import Iterator
from typing import Annotated

from fastapi import Path, Query, Request, Response

from app.api.entry import caller_of
from app.api.golden_schemas import (
    GoldenBody,
    GoldenCollect,
    GoldenCollected,
    GoldenDeleted,
    GoldenList,
    GoldenReply,
    RunList,
    RunReply,
)
from app.api.routing import admin_router
from app.api.state import Service, Services
from app.errors import InputError
from app.golden.questions import NewQuestion
from app.http import audit
from app.http.problem import documented
from app.questions.feedback import FeedbackSelection

LARGEST = 2**31 - 1

router = admin_router("golden questions", "edit", "publish", below="/golden")

Id = Annotated[int, Path(ge=1, le=LARGEST, description="Id of the golden question.")]


@router.get("/questions")
def list_golden(
    service: Service,
    limit: Annotated[int, Query(ge=1, le=1000)] = 50,
    after: Annotated[int | None, Query(ge=0, le=LARGEST, description="`next_after` of the page before.")] = None,
    search: Annotated[
        str | None, Query(max_length=1000, description="Text that question, expected entry, source or note holds.")
    ] = None,
) -> GoldenList:
    """A page of the golden questions that match, in the order in which they were added."""
    page = service.golden.page(limit, after, search)
    questions = [GoldenReply.of(golden) for golden in page.questions]
    return GoldenList(questions=questions, total=page.total, next_after=page.next_after)


@router.post("/questions", status_code=201, responses=documented(409, 413))
def add_golden(body: GoldenBody, request: Request, response: Response, service: Service) -> GoldenReply:
    """Add a golden question; its entry must be in the store. 409 where the same text is golden already."""
    golden = service.golden.add(body.new(), caller_of(request).name)
    audit.record(request, "add golden question", str(golden.id))
    response.headers["Location"] = f"/v1/admin/golden/questions/{golden.id}"
    return GoldenReply.of(golden)


@router.get("/questions/{id}", responses=documented(404))
def get_golden(id: Id, service: Service) -> GoldenReply:
    """One golden question."""
    return GoldenReply.of(service.golden.get(id))


@router.put("/questions/{id}", responses=documented(404, 409, 413))
def change_golden(id: Id, body: GoldenBody, request: Request, service: Service) -> GoldenReply:
    """Replace a golden question."""
    golden = service.golden.change(id, body.new(), caller_of(request).name)
    audit.record(request, "change golden question", str(id))
    return GoldenReply.of(golden)


@router.delete("/questions/{id}", responses=documented(404))
def delete_golden(id: Id, request: Request, service: Service) -> GoldenDeleted:
    """Delete a golden question. The runs that measured it stay."""
    service.golden.delete(id)
    audit.record(request, "delete golden question", str(id))
    return GoldenDeleted(id=id, deleted=True)


@router.post("/collect", responses=documented(404, 409, 413))
def collect_golden(body: GoldenCollect, request: Request, service: Service) -> GoldenCollected:
    """Make questions golden that users asked. What is golden already stays as it is; of one text, the latest counts."""
    rows = _feedback(service, body) if body.source == "feedback" else _logged(service, body)
    new = {row.question: row for row in reversed(list(rows))}
    stored = service.golden.stored_ids(sorted({row.faq_id for row in new.values() if row.faq_id}))
    usable = [row for row in new.values() if row.faq_id is None or row.faq_id in stored]
    added = service.golden.take(usable, caller_of(request).name, overwrite=False)
    audit.record(request, "collect golden questions")
    return GoldenCollected(added=added.added, known=added.unchanged, skipped=len(new) - len(usable))


def _feedback(service: Services, body: GoldenCollect) -> Iterator[NewQuestion]:
    """The questions whose right entry a user has named, newest first."""
    wanted = None if body.request_ids is None else set(body.request_ids)
    for given in service.questions.feedbacks.stream(FeedbackSelection()):
        if given.question and given.right_entry and (wanted is None or given.request_id in wanted):
            yield NewQuestion(given.question, given.right_entry, "feedback")


def _logged(service: Services, body: GoldenCollect) -> Iterator[NewQuestion]:
    """The logged questions, each with the entry that was its answer. Raises NotFound, InputError for an offer."""
    for request_id in body.request_ids or ():
        logged = service.questions.log.get(request_id)
        if logged.outcome == "ambiguous":
            message = f"The question {request_id} was answered with a choice; add it with the entry that is right."
            raise InputError(message, "request_ids")
        yield NewQuestion(logged.question, logged.faq_id if logged.outcome == "answered" else None, "log")


@router.get("/runs")
def list_runs(
    service: Service,
    limit: Annotated[int, Query(ge=1, le=100)] = 20,
    before: Annotated[int | None, Query(ge=1, le=LARGEST, description="`next_before` of the page before.")] = None,
    release: Annotated[str | None, Query(max_length=200, description="Only the runs of this release.")] = None,
) -> RunList:
    """The runs that measured releases on the golden questions, newest first."""
    page = service.runs.page(limit, before, release)
    return RunList(runs=[RunReply.of(run) for run in page.runs], total=page.total, next_before=page.next_before)
