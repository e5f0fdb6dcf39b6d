"""Is it alive, is it ready, what does it count. No key: a probe has none."""

from fastapi import APIRouter
from fastapi.responses import PlainTextResponse

from app.api.problem import documented
from app.api.state import Service

router = APIRouter(tags=["health"])


@router.get("/livez")
async def livez() -> dict[str, str]:
    """The process answers."""
    return {"status": "alive"}


@router.get("/readyz", responses=documented(503))
async def readyz(service: Service) -> dict[str, str]:
    """A question would be answered: a real encode and search on the active release, seconds ago at most."""
    return {"status": "ready", "release": await service.readiness.check(service.live)}


@router.get("/metrics", response_class=PlainTextResponse)
async def metrics(service: Service) -> PlainTextResponse:
    """Counts and timings, for Prometheus."""
    service.metrics.serving(service.live.release, calibrated=service.live.calibrated)
    return PlainTextResponse(service.metrics.text(), media_type="text/plain; version=0.0.4; charset=utf-8")
