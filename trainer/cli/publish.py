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
) -> None:
    """Build a release of the stored entries with a bundle, verify it, and switch the service to it."""
    from app.errors import InputError
    from trainer import publish as publishing
    from trainer.reports.results import Results

    typer.echo(publishing.publish(bundle, adopt, "command line" if override else None))
    with suppress(InputError):  # the directory of a bundle alone has no results
        results = Results.read(bundle)
        if results.before:
            typer.echo(f"Fine-tuned release is live: {results.headline} of held-out questions", err=True)
