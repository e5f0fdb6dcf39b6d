"""The command line: `python -m app [import | export | reindex | releases | golden | key]`; without a command, serve."""

import typer

from app.cli import entries, golden, releases
from app.cli.key import key
from app.cli.reindex import reindex
from app.cli.serve import serve

cli = typer.Typer(
    add_completion=False,
    help="Faqtual: answers questions from a FAQ, and says so when it cannot. Without a command: serve.",
)
cli.callback(invoke_without_command=True)(serve)
cli.command("import")(entries.import_file)
cli.command("export")(entries.export_file)
cli.command()(reindex)
cli.add_typer(releases.cli, name="releases")
cli.add_typer(golden.cli, name="golden")
cli.command()(key)


if __name__ == "__main__":
    cli()
