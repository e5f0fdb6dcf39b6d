"""The command `publish`."""

from contextlib import suppress
from pathlib import Path
from typing import Annotated

import typer


def publish(
    bundle: Annotated[Path, typer.Option(help="Directory of a bundle or of a run.")],
    override: Annotated[
        bool, typer.Option("--override", help="Activate the release even if it breaks golden questions.")
    ] = False,
    adopt: Annotated[
        bool,
        typer.Option("--adopt", help="Take over FAQ_NAMESPACE on the Qdrant server from another installation's store."),
    ] = False,
    processes: Annotated[
        int | None,
        typer.Option(min=1, help="Processes that encode texts. Default: one a core, at most 8, in half of the memory."),
    ] = None,
) -> None:
    """Build a release of the stored entries with a bundle, verify it, and switch the service to it."""
    from app.errors import InputError
    from trainer import publish as publishing
    from trainer.reports.results import Results

    try:
        typer.echo(publishing.publish(bundle, adopt, "command line" if override else None, processes))
    except KeyboardInterrupt:
        typer.echo("Interrupted. The vectors computed so far are kept: the same command goes on from them.", err=True)
        raise typer.Exit(130) from None
    with suppress(InputError):  # the directory of a bundle alone has no results
        results = Results.read(bundle)
        if results.before:
            typer.echo(f"Fine-tuned release is live: {results.headline} of held-out questions", err=True)
