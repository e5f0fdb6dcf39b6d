"""Health and metrics. They need no key, since probes have none."""

from fastapi import APIRouter
from fastapi.responses import PlainTextResponse

from app.api.state import Service
from app.http.problem import documented

EMPTY = "The release holds no entries, so no question gets an answer. Add an entry, or import a file and reindex."

router = APIRouter(tags=["health"])


@router.get("/livez")
async def livez() -> dict[str, str]:
    """The process is running."""
    return {"status": "alive"}


@router.get("/readyz", responses=documented(503))
async def readyz(service: Service) -> dict[str, str]:
    """The service can answer: it has encoded and searched a question on a release within the last seconds.

    `problem`: why that release is not the active one, such as a bundle that this replica lacks; or that it is empty.
    """
    ready = {"status": "ready", "release": await service.readiness.check(service.live)}
    async with service.live.answerer() as answerer:
        empty = None if answerer.index.record.entries else EMPTY
    problem = service.live.problem or empty
    return {**ready, "problem": problem} if problem else ready


@router.get("/metrics", response_class=PlainTextResponse)
async def metrics(service: Service) -> PlainTextResponse:
    """Counters and timings in Prometheus' text format."""
    service.metrics.gauges.serving(service.live.release, calibrated=service.live.calibrated)
    service.metrics.gauges.learned(service.live.adaptation)
    return PlainTextResponse(service.metrics.text(), media_type="text/plain; version=0.0.4; charset=utf-8")
