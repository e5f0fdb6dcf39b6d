"""The command line: `faqtual COMMAND`, with the commands of `app.cli.commands`; without a command it serves.

`python -m app` is the same. `faqtual` also has the commands of the trainer, which is a package of its own.
"""

import sys
from importlib.metadata import entry_points, version
from typing import Annotated

import typer

from app.cli.commands import Commands

COMMANDS = "faqtual.commands"  # the group of entry points under which a package adds commands

cli = typer.Typer(
    cls=Commands,
    add_completion=False,
    help="Faqtual: answers questions from a FAQ, and says so when it cannot. Without a command: serve.",
    epilog="With the extra `trainer`, faqtual also has: fit, generate, evaluate, compare, publish, runs.",
)


@cli.callback(invoke_without_command=True)
def default(
    context: typer.Context,
    show_version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False,
) -> None:
    """Without a command: serve."""
    if show_version:
        typer.echo(version("faqtual"))
    elif context.invoked_subcommand is None:
        from app.cli.serve import serve

        serve()


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
        needed = "Run pip install 'faqtual[trainer]'."
        typer.echo(f"error: `faqtual {point.name}` needs the trainer ({error}). {needed}", err=True)
        sys.exit(2)


if __name__ == "__main__":
    cli()
