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


def publish(directory: Path) -> str:
    """Publish the bundle in `directory`, which may be a run's, with the entries of the store in the FAQ_* settings.

    Returns the release's name. Raises BundleError, Busy, NotReady without entries, IndexUnavailable, StoreError.
    """
    bundle = bundle_in(directory)
    columns = (TextColumn("indexing"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task("indexing", total=None)
        settings = Settings()
        release = reindex(
            settings, bundle.directory, show=lambda done, total: progress.update(task, completed=done, total=total)
        )
    _keep_report(settings, bundle)
    return release


def _keep_report(settings: Settings, bundle: Bundle) -> None:
    """Put the run's report beside the installed bundle, where the console shows it. A bundle alone has none."""
    report = bundle.directory.parent / REPORT
    if report.is_file():
        durable.write(settings.home / "models" / bundle.manifest.revision / REPORT, report.read_text("utf-8"))
