"""The command `reindex`: build a release and activate it."""

import signal
import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from app.cli.terminal import COMMAND_LINE, command_settings, out, reporting_errors, worker_settings
from app.releases.reindexing import reindex as run_reindex
from app.releases.sources import BASE


def reindex(
    bundle: Annotated[
        Path | None, typer.Option(help="The directory of the bundle to use. Default: the bundle of the active release.")
    ] = None,
    override: Annotated[
        bool, typer.Option("--override", help="Activate the release even if it breaks golden questions.")
    ] = False,
    adopt: Annotated[
        bool,
        typer.Option("--adopt", help="Take over FAQ_NAMESPACE on the Qdrant server from another installation's store."),
    ] = False,
    base: Annotated[
        bool,
        typer.Option("--base", help="Use the base model without fine-tuning. Needs the extra `base`, but not torch."),
    ] = False,
    processes: Annotated[
        int | None,
        typer.Option(min=1, help="Processes that encode texts. Default: one a core, at most 8, in half of the memory."),
    ] = None,
    job: Annotated[str | None, typer.Option(hidden=True)] = None,
) -> None:
    """Build a release of the store's entries, verify it and activate it. A running service switches within seconds."""
    if base and bundle:
        raise typer.BadParameter("name either a bundle or --base", param_hint="--bundle")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    with reporting_errors(), _bar("Indexing") as bar:
        task = bar.add_task("Indexing", total=None)
        release = run_reindex(
            worker_settings() if job else command_settings(),
            BASE if base else bundle,
            job,
            lambda done, total: bar.update(task, completed=done, total=total),
            adopt,
            COMMAND_LINE if override else None,
            processes,
        )
    out.print(f"Active: {release}", highlight=False)


def _bar(label: str) -> Progress:
    columns = (TextColumn(label), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    console = Console(stderr=True)
    return Progress(*columns, console=console, transient=True, disable=not console.is_terminal)
