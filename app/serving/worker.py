"""A worker process: answers what its parent hands to it, and ends with it."""

import logging
import os
import signal
import socket
import sys
from math import ceil
from pathlib import Path

from app import logs
from app.errors import FaqError
from app.http import metrics
from app.http.shared import Shared
from app.main import Place, create_app
from app.serving.handover import Handed
from app.serving.server import config_of, prepare, serve
from app.settings import Settings


def run(
    number: int,
    settings: Settings,
    shared: Shared,
    directory: Path,
    connections: socket.socket,
    channel: socket.socket,
) -> None:
    """The process, until a signal, or the end of its parent, stops it.

    `directory`: of the metrics. `connections` and `channel`: sockets to the parent, for connections and for messages.
    """
    os.setpgid(0, 0)  # the terminal's Ctrl-C reaches the parent alone, which stops its worker processes in order
    try:
        shared.become(number)
        metrics.share(directory, number)
        prepare(settings)
        app = create_app(settings, Place(number, shared, channel, _end))
        config = config_of(app, settings, ceil(settings.max_connections / settings.workers))
        serve(Handed(config, connections, shared), app, [])
    except (FaqError, OSError) as error:
        logs.announce(f"error: {error}", logging.ERROR)
        sys.exit(2)


def _end() -> None:
    os.kill(os.getpid(), signal.SIGTERM)
