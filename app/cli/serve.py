"""The command `serve`, which also runs without a command."""

import asyncio
import logging
import os
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import uvicorn

from app import cores, logs
from app.cli.terminal import reporting_errors
from app.errors import SettingsError
from app.main import create_app
from app.serving import server
from app.serving.parent import Parent
from app.settings import Settings, unknown_variables

logger = logging.getLogger(__name__)


def serve() -> None:
    """Serve the active release of FAQ_HOME."""
    with reporting_errors():
        settings = Settings.read()
    run(settings)


def run(settings: Settings) -> None:
    """Serve the active release until a signal stops the process."""
    with reporting_errors():
        settings.check_exposure()
        settings = settings.model_copy(update={"workers": cores.workers(settings.workers)})
        server.prepare(settings)
        for line in unknown_variables(os.environ):
            logger.warning(line)
        with _listening(settings) as listener:
            if settings.workers > 1:
                sys.exit(asyncio.run(Parent(settings, listener).run()))
            app = create_app(settings)
            server.serve(uvicorn.Server(server.config_of(app, settings, settings.max_connections)), app, [listener])


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
