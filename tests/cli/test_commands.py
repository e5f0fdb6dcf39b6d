"""The list of commands, and what it takes to print it."""

import subprocess
import sys

import pytest
from typer.testing import CliRunner

from app.__main__ import cli
from app.cli.commands import COMMANDS

HEAVY = ("app.main", "app.settings", "fastapi", "numpy", "onnxruntime", "sqlalchemy")


@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_that_is_listed_says_how_it_is_used(name: str) -> None:
    shown = CliRunner().invoke(cli, [name, "--help"], env={"COLUMNS": "200"})
    assert shown.exit_code == 0, shown.output
    assert f" {name} " in shown.output.split("Usage:", 1)[1].splitlines()[0]


def test_the_list_of_commands_and_the_version_load_no_library_of_the_service() -> None:
    code = (
        "import sys; from app.__main__ import cli; cli(sys.argv[1:], standalone_mode=False);"
        f"print([name for name in {HEAVY} if name in sys.modules])"
    )
    for option in ("--help", "--version"):
        command = [sys.executable, "-c", code, option]
        shown = subprocess.run(command, capture_output=True, text=True, check=True)
        assert shown.stdout.splitlines()[-1] == "[]"
