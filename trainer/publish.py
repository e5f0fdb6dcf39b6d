"""Publication of a bundle, in the same way as `python -m app reindex`."""

from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from app import durable
from app.encoding.bundle import Bundle
from app.releases.commands import REPORT
from app.releases.reindexing import reindex
from app.settings import Settings
from trainer.reports.tables import bundle_in


def publish(directory: Path, adopt: bool = False, override_by: str | None = None, processes: int | None = None) -> str:
    """Publish the bundle in `directory`, which may be a run's, with the entries of the store in the FAQ_* settings.

    `adopt`: take over a namespace on a Qdrant server that another store owns. `override_by`: who activates the release
    even if it breaks golden questions. `processes`: as of `reindex`. Returns its name. Raises
    BundleError, Busy, Conflict, NotReady without entries, IndexUnavailable, StoreError, Blocked.
    """
    bundle = bundle_in(directory)
    columns = (TextColumn("indexing"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task("indexing", total=None)
        settings = Settings()
        release = reindex(
            settings,
            bundle.directory,
            show=lambda done, total: progress.update(task, completed=done, total=total),
            adopt=adopt,
            override_by=override_by,
            processes=processes,
        )
    _keep_report(settings, bundle)
    return release


def _keep_report(settings: Settings, bundle: Bundle) -> None:
    """Put the run's report beside the installed bundle, where the console shows it. A bundle alone has none."""
    report = bundle.directory.parent / REPORT
    if report.is_file():
        durable.write(settings.home / "models" / bundle.manifest.revision / REPORT, report.read_text("utf-8"))
