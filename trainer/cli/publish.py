"""The command `publish`."""

from pathlib import Path
from typing import Annotated

import typer


def publish(
    bundle: Annotated[Path, typer.Option(help="The bundle's directory, or a run's.")],
) -> None:
    """Install a bundle in FAQ_HOME, embed the store's entries with it, verify, and switch to the new release."""
    from trainer import publish as publishing

    typer.echo(publishing.publish(bundle))
