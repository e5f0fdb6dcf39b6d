"""What all commands share: reading the settings, output, and reporting of errors."""

import logging
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

import stamina
import typer
from rich.console import Console

from app import logs
from app.errors import FaqError, IndexUnavailable, StoreError
from app.settings import Settings, unknown_variables

T = TypeVar("T")

PATIENCE_S = 60.0  # for a database or a Qdrant server that starts at the same time
COMMAND_LINE = "command line"  # who changed something, where history and runs ask
out = Console()


def command_settings() -> Settings:
    """The settings of a command that a person runs. Prints a warning for each unknown FAQ_* variable to stderr."""
    for line in unknown_variables(os.environ):
        sys.stderr.write(f"warning: {line}\n")
    return Settings.read()


def worker_settings() -> Settings:
    """The settings of a worker process of the service; it logs to the service's log."""
    settings = Settings.read()
    logs.install(texts=settings.log_texts, lines=settings.log_format)
    return settings


@contextmanager
def reporting_errors() -> Iterator[None]:
    """Print an error that the user can correct as one message, without a traceback, and exit with status 2."""
    try:
        yield
    except (FaqError, OSError) as error:  # OSError: such as a full disk or a missing permission
        logs.announce(f"error: {error}", logging.ERROR)
        raise typer.Exit(2) from None


def waiting(read: Callable[[], T]) -> T:
    """What `read` returns, tried again for PATIENCE_S while a server does not answer."""
    for attempt in stamina.retry_context(on=_is_away, attempts=None, timeout=PATIENCE_S, wait_max=2.0):
        with attempt:
            return read()
    raise AssertionError  # the last attempt returns or raises


def _is_away(error: Exception) -> bool:
    return isinstance(error, IndexUnavailable) or (isinstance(error, StoreError) and error.temporary)
