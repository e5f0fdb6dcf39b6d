"""uvicorn's server, for a process that is the whole service and for a worker process."""

import logging
import os
import signal
import socket
import sys
from contextlib import suppress

import uvicorn
from fastapi import FastAPI
from threadpoolctl import threadpool_limits

from app import logs
from app.http.connections import bounded_protocol, room_for
from app.settings import Settings

SWITCH_S = 0.0005  # the interpreter's thread switch interval; with the default of 5 ms, finished encoders wait for it
SHUTDOWN_S = 10  # how long open requests may take to finish when the service stops
BACKLOG = 2048  # connections that wait to be accepted


def prepare(settings: Settings) -> None:
    """Set up this process: its log, its signals and its threads."""
    sys.setswitchinterval(SWITCH_S)
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")  # threads are slower for a few questions
    threadpool_limits(1, "blas")  # a thread that helps with a product then waits busily, for 4 ms of CPU a question
    logs.install(texts=settings.log_texts, lines=settings.log_format)
    logging.getLogger("uvicorn.error").addFilter(lambda record: "Traceback" not in record.getMessage())
    for number in (signal.SIGTERM, signal.SIGINT):  # uvicorn finishes open requests, then raises the signal again
        signal.signal(number, lambda *_: sys.exit(0))


def config_of(app: FastAPI, settings: Settings, connections: int) -> uvicorn.Config:
    """`connections`: how many this process may have open."""
    return uvicorn.Config(
        app,
        http=bounded_protocol(room_for(connections), app.state.metrics.connection_refused),
        ws="none",
        access_log=False,
        log_config=None,
        server_header=False,
        backlog=BACKLOG,
        proxy_headers=bool(settings.trusted_proxies),
        forwarded_allow_ips=list(settings.trusted_proxies),
        timeout_graceful_shutdown=SHUTDOWN_S,
    )


def serve(server: uvicorn.Server, app: FastAPI, sockets: list[socket.socket]) -> None:
    """Serve until a signal stops the process. Raises the error of the start, if there was one."""
    with suppress(SystemExit):
        server.run(sockets=sockets)
    if error := app.state.startup_error:
        raise error
    if not server.started and server.lifespan.should_exit:  # an unexpected error, which uvicorn has logged
        sys.exit(1)
