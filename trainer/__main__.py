"""The trainer's command line: `python -m trainer fit | generate | evaluate | compare | publish | runs`.

A command imports torch only when it runs, so that `runs` and `--help` answer at once.
"""

import logging
import os
import sys

import typer
from rich.console import Console

from app.errors import FaqError
from app.settings import unknown_variables
from trainer.cli import runs
from trainer.cli.evaluate import compare, evaluate
from trainer.cli.fit import fit
from trainer.cli.generate import generate
from trainer.cli.publish import publish

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)
for command in (fit, generate, evaluate, compare, publish):
    app.command()(command)
app.add_typer(runs.cli, name="runs")


def main() -> None:
    """Run the command line; what is raised on purpose becomes one line and exit code 2 (130: interrupted)."""
    handler = logging.StreamHandler()
    handler.setFormatter(logging.Formatter("%(message)s"))
    logger = logging.getLogger("trainer")
    logger.setLevel(logging.INFO)
    logger.addHandler(handler)
    for line in unknown_variables(os.environ):
        logger.warning("warning: %s", line)
    try:
        app()
    except FaqError as error:
        Console(stderr=True, soft_wrap=True).print(f"error: {error}", style="red", markup=False, highlight=False)
        sys.exit(130 if error.code == "interrupted" else 2)


if __name__ == "__main__":
    main()
