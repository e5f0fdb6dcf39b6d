"""The command `serve`, which is also what happens without a command."""

import logging
import os
import signal
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from importlib import metadata
from typing import Annotated

import typer
import uvicorn
from fastapi import FastAPI

from app import logs
from app.cli.terminal import reporting_errors
from app.errors import SettingsError
from app.http.connections import bounded_protocol, room_for
from app.main import create_app
from app.settings import Settings, unknown_variables

logger = logging.getLogger(__name__)
SWITCH_S = 0.0005  # the interpreter's thread switch interval; with the default of 5 ms, finished encoders wait for it
SHUTDOWN_S = 10  # how long open requests may take to finish when the service stops


def default(
    context: typer.Context,
    version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False,
) -> None:
    """Without a command: serve."""
    if version:
        typer.echo(metadata.version("faqtual"))
    elif context.invoked_subcommand is None:
        serve()


def serve() -> None:
    """Serve the active release of FAQ_HOME."""
    with reporting_errors():
        settings = Settings.read()
    run(settings)


def run(settings: Settings) -> None:
    """Serve the active release until a signal stops the process."""
    with reporting_errors():
        sys.setswitchinterval(SWITCH_S)
        os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")  # threads are slower for a few questions
        app = create_app(settings)
        logs.install(texts=settings.log_texts, lines=settings.log_format)
        for line in unknown_variables(os.environ):
            logger.warning(line)
        logging.getLogger("uvicorn.error").addFilter(lambda record: "Traceback" not in record.getMessage())
        for number in (signal.SIGTERM, signal.SIGINT):  # uvicorn finishes open requests, then raises the signal again
            signal.signal(number, lambda *_: sys.exit(0))
        server = uvicorn.Server(_uvicorn(app, settings))
        with _listening(settings) as listener, suppress(SystemExit):
            server.run(sockets=[listener])
        if error := app.state.startup_error:
            raise error
        if not server.started and server.lifespan.should_exit:  # an unexpected error, which uvicorn has logged
            raise typer.Exit(1)


def _uvicorn(app: FastAPI, settings: Settings) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        http=bounded_protocol(room_for(settings.max_connections), app.state.metrics.connection_refused),
        ws="none",
        access_log=False,
        log_config=None,
        server_header=False,
        proxy_headers=bool(settings.trusted_proxies),
        forwarded_allow_ips=list(settings.trusted_proxies),
        timeout_graceful_shutdown=SHUTDOWN_S,
    )


@contextmanager
def _listening(settings: Settings) -> Iterator[socket.socket]:
    """A bound socket. Raises SettingsError if the address is in use, before anything is loaded."""
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((settings.host, settings.port))
        except OSError as error:
            where = f"{settings.host}:{settings.port}"
            raise SettingsError(f"Cannot listen on {where}: {os.strerror(error.errno or 0)}. Set FAQ_PORT.") from None
        host, port = listener.getsockname()[:2]
        logs.announce(f"Faqtual: http://{f'[{host}]' if ':' in host else host}:{port}")
        yield listener
    finally:
        listener.close()
