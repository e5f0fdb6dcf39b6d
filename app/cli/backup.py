"""The commands `backup` and `restore`."""

from pathlib import Path
from typing import Annotated

import typer

from app.cli.reindex import reindex
from app.cli.terminal import command_settings, out, reporting_errors


def backup(
    file: Annotated[Path, typer.Argument(help="The file to write, such as faqtual.tar.gz. It must not exist.")],
) -> None:
    """Back up FAQ_HOME to one file while the service runs: entries, active release and bundles.

    With FAQ_QDRANT_URL the index is not part of it: `restore` builds it again. With FAQ_DATABASE_URL the entries are
    not: back up that database with its own tools, such as pg_dump.
    """
    from app.backups import backup as backups

    with reporting_errors():
        about = backups.backup(command_settings(), file)
        size = file.stat().st_size / 1e6
        out.print(f"{file}: {size:,.1f} MB, release {about.release or 'none'}", markup=False, highlight=False)
        if not about.database:
            out.print(
                "Not included: the database of FAQ_DATABASE_URL. Back it up too, with its own tools.", highlight=False
            )


def restore(file: Annotated[Path, typer.Argument(help="A file that `backup` wrote.")]) -> None:
    """Restore a backup into an empty FAQ_HOME, then reindex if the index is to be in Qdrant."""
    from app.backups import restore as backups

    with reporting_errors():
        bundle = backups.restore(command_settings(), file)
        out.print("Restored.", highlight=False)
    if bundle:
        out.print(f"Building the release: `python -m app reindex --bundle {bundle}`", highlight=False)
        reindex(bundle=bundle)
