"""The commands of `faqtual`: the module of each is imported when the command runs, since most need a part of the
libraries only."""

from importlib import import_module
from typing import Any, NamedTuple

import typer
from typer.core import TyperCommand, TyperGroup


class Command(NamedTuple):
    """A function of a module in `app.cli`, or its Typer with commands of its own, and a phrase for the list."""

    module: str
    name: str
    help: str


COMMANDS = {
    "serve": Command("serve", "serve", "Serve the active release of FAQ_HOME."),
    "start": Command("start", "start", "Import a FAQ file, publish it with the base model and serve it."),
    "demo": Command("demo", "demo", "Serve the sample FAQ of a fictional shop with the base model."),
    "import": Command("entries", "import_file", "Import a FAQ file into the store; then publish it with `reindex`."),
    "export": Command("entries", "export_file", "Write every entry of the store to a file."),
    "lint": Command("lint", "lint", "List likely mistakes in the entries, such as contradictions and broken links."),
    "reindex": Command("reindex", "reindex", "Build a release of the store's entries, verify it and activate it."),
    "releases": Command("releases", "cli", "List the releases, or activate or compare them."),
    "golden": Command("golden", "cli", "The golden questions that each new release is measured on."),
    "migrate": Command("migrate", "migrate", "Bring the database to the schema of this version."),
    "backup": Command("backup", "backup", "Back up FAQ_HOME to one file while the service runs."),
    "restore": Command("backup", "restore", "Restore a backup into an empty FAQ_HOME."),
    "key": Command("key", "key", "Make an API key."),
}


class Commands(TyperGroup):
    """Lists COMMANDS without importing them."""

    def __init__(self, **attributes: Any) -> None:  # noqa: ANN401 - Typer's own
        super().__init__(**attributes)
        for name, command in COMMANDS.items():
            self.add_command(TyperCommand(name, help=command.help))

    def resolve_command(
        self,
        ctx: Any,  # noqa: ANN401 - a class of click, of which Typer has a private copy
        args: list[str],
    ) -> tuple[str | None, Any, list[str]]:
        """The command that the arguments name, imported."""
        name, _, rest = super().resolve_command(ctx, args)
        return name, _imported(COMMANDS[name]) if name else None, rest


def _imported(command: Command) -> object:
    function = getattr(import_module(f"app.cli.{command.module}"), command.name)
    if isinstance(function, typer.Typer):
        return typer.main.get_command(function)
    single = typer.Typer(add_completion=False)
    single.command()(function)
    return typer.main.get_command(single)
