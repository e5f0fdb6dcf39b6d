"""The reindex job for the command line and the trainer: one build, in this process."""

from contextlib import closing

from app.encoding.encoders import default_processes
from app.releases.builder import Builder
from app.releases.opened import Progress
from app.releases.sources import Source
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
