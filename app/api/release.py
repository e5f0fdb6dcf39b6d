"""The route that says which release answers, for pages that tell their reader when a better model went live."""

from fastapi import APIRouter

from app.api.schemas import Gain, LiveRelease
from app.api.state import Service
from app.http.problem import documented
from app.http.security import guarded
from app.releases.sources import BASE

router = APIRouter(prefix="/v1", tags=["ask"], route_class=guarded("ask"), responses=documented(401, 403, 429))


@router.get("/release", operation_id="get_live_release")
async def get_release(service: Service) -> LiveRelease:
    """The release that answers now. Nothing is encoded or searched."""
    async with service.live.answerer() as answerer:
        manifest, release = answerer.bundle.manifest, answerer.release
    gain = manifest.metrics.get("gain")
    return LiveRelease(
        release=release,
        model=manifest.revision,
        fine_tuned=manifest.recipe != BASE,
        gain=Gain.model_validate(gain) if gain else None,
    )
