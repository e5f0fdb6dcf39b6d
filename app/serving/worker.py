"""A worker process: answers what its parent hands to it, and ends with it.

    python -m app.serving.worker NUMBER CONNECTIONS CHANNEL SHARED METRICS

The parent (`app.serving.parent`) starts it. The arguments are its number, the descriptors of two sockets to the parent
and of the shared memory, and the directory of the metrics; the settings are in the environment.
"""

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


def main() -> None:
    """The process, until a signal, or the end of its parent, stops it."""
    number, connections, channel, shared = map(int, sys.argv[1:5])
    try:
        settings = Settings.read()
        memory = Shared(shared, settings.workers, number)
        metrics.share(Path(sys.argv[5]), number)
        prepare(settings)
        app = create_app(settings, Place(number, memory, socket.socket(fileno=channel), _end))
        config = config_of(app, settings, ceil(settings.max_connections / settings.workers))
        serve(Handed(config, socket.socket(fileno=connections), memory), app, [])
    except (FaqError, OSError) as error:
        logs.announce(f"error: {error}", logging.ERROR)
        sys.exit(2)


def _end() -> None:
    os.kill(os.getpid(), signal.SIGTERM)


if __name__ == "__main__":
    main()
