"""The reindex job for the command line and the trainer: one build, in this process."""

from contextlib import closing
from pathlib import Path
from typing import Literal

from app.encoding.bundle import Bundle
from app.encoding.encoders import default_processes
from app.errors import BundleError
from app.releases.builder import Builder
from app.releases.catalog import Catalog
from app.releases.opened import Progress
from app.releases.publishing import stated
from app.releases.sources import BASE, Source
from app.settings import Settings


def reindex(
    settings: Settings,
    bundle: Source = None,
    job_id: str | None = None,
    show: Progress = lambda done, total: None,
    adopt: bool = False,
    override_by: str | None = None,
    processes: int | None = None,
) -> str:
    """As `Builder.reindex`, with a builder for this build alone.

    `processes`: that encode the texts, by default `default_processes()`.
    """
    processes = processes or default_processes()
    with closing(Builder(settings, processes)) as builder:
        return builder.reindex(bundle, job_id, show, adopt, override_by)


async def up_to_date(catalog: Catalog, source: Path | Literal["base"]) -> bool:
    """Whether the active release has the bundle of `source` and was built with the present settings.

    Compares no entries. False where the bundle of either is damaged. Raises IndexUnavailable.
    """
    record = await catalog.active_record()
    if record is None:
        return False
    try:
        used = await catalog.active_bundle()
        wanted = used.manifest.recipe == BASE if source == BASE else used.revision == Bundle.load(Path(source)).revision
    except BundleError:
        return False
    return wanted and stated(used, catalog.settings).items() <= record.model_dump().items()
