"""The command `publish`."""

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
    from trainer import publish as publishing

    typer.echo(publishing.publish(bundle, adopt, "command line" if override else None))
