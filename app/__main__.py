"""The command line: `python -m app [import | export | lint | reindex | releases | key]`; without a command, serve."""

import typer

from app.cli import entries, releases
from app.cli.key import key
from app.cli.lint import lint
from app.cli.reindex import reindex
from app.cli.serve import serve

cli = typer.Typer(
    add_completion=False,
    help="Faqtual: answers questions from a FAQ, and says so when it cannot. Without a command: serve.",
)
cli.callback(invoke_without_command=True)(serve)
cli.command("import")(entries.import_file)
cli.command("export")(entries.export_file)
cli.command()(lint)
cli.command()(reindex)
cli.add_typer(releases.cli, name="releases")
cli.command()(key)


if __name__ == "__main__":
    cli()
