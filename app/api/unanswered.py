"""Admin routes for unanswered questions: clusters of them, and decisions. Nothing is published by a decision; a live
entry that learned from one answers as after any edit (FAQ_AUTO_REINDEX)."""

import asyncio
from collections.abc import Sequence
from typing import Annotated

from fastapi import Path, Query, Request

from app.answering import Examined
from app.api.entry import caller_of
from app.api.routing import admin_router
from app.api.state import Service, Services
from app.api.statistics import End, Start, period_of
from app.api.unanswered_schemas import (
    DecisionBody,
    DecisionReply,
    Name,
    ReopenBody,
    ReopenReply,
    UnansweredCluster,
    UnansweredList,
)
from app.errors import NotReady
from app.http import audit
from app.http.problem import documented
from app.questions.deciding import cluster_of, decide
from app.questions.unanswered import Cluster, key_of_name, page_of

router = admin_router("questions", "edit")


@router.get("/unanswered")
async def list_unanswered(
    service: Service,
    start: Start = None,
    end: End = None,
    dismissed: Annotated[bool, Query(description="The clusters that were dismissed, in place of those that wait.")] = (
        False
    ),
    limit: Annotated[int, Query(ge=1, le=100)] = 20,
    after: Annotated[str | None, Query(max_length=2000, description="`next_after` of the page before.")] = None,
) -> UnansweredList:
    """A page of the clusters of questions that found no answer, a choice, or an unhelpful answer.

    Large and recent ones come first. The clusters need texts of questions; where these are not kept, `notice` says so.
    """
    page = page_of(await service.unanswered.clusters(period_of(start, end), dismissed), limit, after)
    examined = await _examined(service, page.clusters) if page.clusters else []
    return UnansweredList(
        clusters=[UnansweredCluster.of(*pair) for pair in zip(page.clusters, examined, strict=True)],
        total=page.total,
        next_after=page.next_after,
        notice=service.questions.notice,
    )


@router.post("/unanswered/reopen", responses=documented(413))
def reopen_unanswered(body: ReopenBody, request: Request, service: Service) -> ReopenReply:
    """Have questions wait again: undoes a dismissal. An entry that learned from them stays as it is."""
    reopened = service.questions.reviews.reopen(map(key_of_name, body.questions))
    audit.record(request, "reopen questions", ",".join(body.questions[:10]))
    return ReopenReply(questions=reopened)


@router.post("/unanswered/{cluster}", responses=documented(404, 409, 413))
async def decide_unanswered(
    cluster: Annotated[Name, Path(description="`id` of the cluster.")],
    body: DecisionBody,
    request: Request,
    service: Service,
    start: Start = None,
    end: End = None,
) -> DecisionReply:
    """Decide about a cluster of the list with this period.

    409: the cluster has other questions than when it was read, or was dealt with. A dismissed cluster returns when its
    questions have failed twice as often, another question when it has done so itself.
    """
    chosen = cluster_of(await service.unanswered.clusters(period_of(start, end)), cluster, body.version)
    by = caller_of(request).name
    decided = await asyncio.to_thread(decide, service.store, service.questions.reviews, chosen, body.decision(), by)
    if decided.changed:
        service.updater.notify()
    reply = DecisionReply.of(body.act, decided)
    audit.record(request, f"unanswered {body.act}", f"{cluster} {reply.entry_id or ''}".strip())
    return reply


async def _examined(service: Services, clusters: Sequence[Cluster]) -> Sequence[Examined | None]:
    """What the live release makes of the first question of each cluster; None each without a release."""
    try:
        async with service.live.answerer() as answerer:
            return await answerer.examine([cluster.questions[0].question for cluster in clusters])
    except NotReady:
        return [None] * len(clusters)
