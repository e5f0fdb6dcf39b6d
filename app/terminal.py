"""What every command shares: its settings, its output, and how it fails."""

import logging
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import typer
from rich.console import Console

from app import logs
from app.errors import FaqError
from app.settings import Settings, unknown_variables

out = Console()


def told_settings() -> Settings:
    """The settings of a command that a person runs, who is told of variables that have no effect."""
    for line in unknown_variables(os.environ):
        sys.stderr.write(f"warning: {line}\n")
    return Settings.read()


def worker_settings() -> Settings:
    """The settings of a child of the service, which writes to the service's log."""
    settings = Settings.read()
    logs.install(texts=settings.log_texts, lines=settings.log_format)
    return settings


@contextmanager
def failing_clearly() -> Iterator[None]:
    """Our errors as one message and exit status 2; no traceback for what a person can mend."""
    try:
        yield
    except (FaqError, OSError) as error:  # of the system: a full disk, a missing permission
        logs.announce(f"error: {error}", logging.ERROR)
        raise typer.Exit(2) from None
