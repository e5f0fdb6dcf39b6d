"""What every command shares: its settings, its output, and how it fails."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import typer
from pydantic import ValidationError
from rich.console import Console

from app import logs
from app.errors import FaqError, SettingsError
from app.settings import Settings, unknown_variables

out = Console()


def told_settings() -> Settings:
    """The settings of a command that a person runs, who is told of variables that have no effect."""
    for line in unknown_variables(os.environ):
        sys.stderr.write(f"warning: {line}\n")
    return read_settings()


def worker_settings() -> Settings:
    """The settings of a child of the service, which writes to the service's log."""
    settings = read_settings()
    logs.install(texts=settings.log_texts, lines=settings.log_format)
    return settings


def read_settings() -> Settings:
    """What the environment says. Raises SettingsError naming the first variable that is wrong."""
    try:
        return Settings()
    except ValidationError as error:
        first = error.errors()[0]
        name = "_".join(str(part) for part in first["loc"][:1]).upper()
        raise SettingsError(f"FAQ_{name}: {first['msg']}") from None


@contextmanager
def failing_clearly() -> Iterator[None]:
    """Our errors as one message and exit status 2; no traceback for what a person can mend."""
    try:
        yield
    except (FaqError, OSError) as error:  # of the system: a full disk, a missing permission
        logs.announce(f"error: {error}")
        raise typer.Exit(2) from None
