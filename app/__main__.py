"""The command line: `faqtual COMMAND`, with the commands below; without a command it serves.

`python -m app` is the same. `faqtual` also has the commands of the trainer, which is a package of its own.
"""

import sys
from importlib.metadata import entry_points

import typer

from app import logs
from app.cli import backup, entries, golden, releases
from app.cli.demo import demo
from app.cli.key import key
from app.cli.lint import lint
from app.cli.migrate import migrate
from app.cli.reindex import reindex
from app.cli.serve import default, serve
from app.cli.start import start

COMMANDS = "faqtual.commands"  # the group of entry points under which a package adds commands

cli = typer.Typer(
    add_completion=False,
    help="Faqtual: answers questions from a FAQ, and says so when it cannot. Without a command: serve.",
    epilog="With the extra `trainer`, faqtual also has: fit, generate, evaluate, compare, publish, runs.",
)
cli.callback(invoke_without_command=True)(default)
cli.command()(serve)
cli.command()(start)
cli.command()(demo)
cli.command("import")(entries.import_file)
cli.command("export")(entries.export_file)
cli.command()(lint)
cli.command()(reindex)
cli.add_typer(releases.cli, name="releases")
cli.add_typer(golden.cli, name="golden")
cli.command()(migrate)
cli.command()(backup.backup)
cli.command()(backup.restore)
cli.command()(key)


def main() -> None:
    """The console script `faqtual`: the commands of this package and those that other packages add."""
    added = {point.name: point for point in entry_points(group=COMMANDS)}
    point = added.get(sys.argv[1]) if len(sys.argv) > 1 else None
    if point is None:
        cli()
        return
    try:
        point.load()()
    except ModuleNotFoundError as error:
        logs.announce(f"error: `faqtual {point.name}` needs the trainer ({error}). Run pip install 'faqtual[trainer]'.")
        sys.exit(2)


if __name__ == "__main__":
    cli()
