"""The command line: serve, and look after what is served."""

import asyncio
import json
import logging
import os
import signal
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Annotated, Any

import typer
import uvicorn
from fastapi import FastAPI
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Column, Table

from app import entry_commands, logs
from app.api.connections import bounded, room_for
from app.api.security import new_key
from app.errors import SettingsError
from app.jobs import lock
from app.knowledge.store import Store
from app.main import create_app
from app.releases.catalog import Catalog, Release
from app.releases.reindexing import reindex as run_reindex
from app.retrieval.index import Calibrated
from app.settings import Settings, unknown_variables
from app.terminal import failing_clearly, out, told_settings, worker_settings

cli = typer.Typer(add_completion=False, help="Faqtual: answers questions from a FAQ, and says so when it cannot.")
releases_cli = typer.Typer(help="What there is to serve, and which release is active.")
cli.add_typer(releases_cli, name="releases")
cli.command("import")(entry_commands.import_file)
cli.command("export")(entry_commands.export_file)
logger = logging.getLogger(__name__)
SHARES = ("helped", "wrong")  # of a release's figures, to list
SWITCH_S = 0.0005  # after which a thread hands the interpreter on; an encoder that is done waits for it otherwise
SHUTDOWN_S = 10  # that open requests are given when the service is asked to stop


@cli.callback(invoke_without_command=True)
def serve(context: typer.Context) -> None:
    """Without a command: serve what FAQ_HOME holds."""
    if context.invoked_subcommand is not None:
        return
    with failing_clearly():
        settings = Settings.read()
        sys.setswitchinterval(SWITCH_S)
        os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")  # its threads cost more than a few questions
        app = create_app(settings)
        logs.install(texts=settings.log_texts, lines=settings.log_format)
        for line in unknown_variables(os.environ):
            logger.warning(line)
        logging.getLogger("uvicorn.error").addFilter(lambda record: "Traceback" not in record.getMessage())
        for number in (signal.SIGTERM, signal.SIGINT):  # uvicorn drains first, then raises the signal again
            signal.signal(number, lambda *_: sys.exit(0))
        server = uvicorn.Server(_uvicorn(app, settings))
        with _listening(settings) as listener, suppress(SystemExit):
            server.run(sockets=[listener])
        if error := app.state.startup_error:
            raise error
        if not server.started and server.lifespan.should_exit:  # of what nobody foresaw; uvicorn has logged it
            raise typer.Exit(1)


def _uvicorn(app: FastAPI, settings: Settings) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        http=bounded(room_for(settings.max_connections), app.state.metrics.turned_away),
        ws="none",
        access_log=False,
        log_config=None,
        server_header=False,
        proxy_headers=bool(settings.trusted_proxies),
        forwarded_allow_ips=list(settings.trusted_proxies),
        timeout_graceful_shutdown=SHUTDOWN_S,
    )


@cli.command()
def reindex(
    bundle: Annotated[Path | None, typer.Option(help="The bundle to publish with; default: the one in use.")] = None,
    job: Annotated[str | None, typer.Option(hidden=True)] = None,
) -> None:
    """Build a release of the store's entries, verify it and switch to it. A running service follows within seconds."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    with failing_clearly(), _bar("Indexing") as bar:
        task = bar.add_task("Indexing", total=None)
        release = run_reindex(
            worker_settings() if job else told_settings(),
            bundle,
            job,
            lambda done, total: bar.update(task, completed=done, total=total),
        )
    out.print(f"Active: {release}", highlight=False)


@releases_cli.callback(invoke_without_command=True)
def list_releases(
    context: typer.Context, as_json: Annotated[bool, typer.Option("--json", help="For programs.")] = False
) -> None:
    """List the releases, newest first."""
    if context.invoked_subcommand is not None:
        return
    with failing_clearly():
        _show(asyncio.run(_releases(told_settings())), as_json)


@releases_cli.command("activate")
def activate(name: Annotated[str, typer.Argument(help="A release that `releases` lists.")]) -> None:
    """Switch to a release: forward, or back. The store stays as it is."""
    with failing_clearly():
        settings = told_settings()
        store = Store.open(settings.sqlalchemy_url)
        try:
            with lock.writer(settings.home, store.database):
                asyncio.run(_activate(settings, name))
        finally:
            store.close()
        out.print(f"Active: {name}", highlight=False)


@cli.command()
def key() -> None:
    """Make a key: one line for its user, one for FAQ_ADMIN_KEYS or FAQ_ASK_KEYS."""
    made, digest = new_key()
    out.print(f"key:    {made}\nsha256: {digest}", highlight=False, soft_wrap=True)


async def _releases(settings: Settings) -> list[Release]:
    catalog = Catalog(settings)
    try:
        return await catalog.releases()
    finally:
        await catalog.close()


async def _activate(settings: Settings, name: str) -> None:
    catalog = Catalog(settings)
    try:
        await catalog.activate(name)
    finally:
        await catalog.close()


def _show(releases: list[Release], as_json: bool) -> None:
    if as_json:
        out.print_json(json.dumps([_row(release) for release in releases]))
        return
    fixed = [Column(name, no_wrap=True) for name in ("release", "entries", "created")]
    table = Table(*fixed, "helped, wrong", "answers, offers from")
    for release in releases:
        row = _row(release)
        state = "\nactive" if release.active else "\nprevious" if release.previous else ""
        shares = ", ".join(f"{row['figures'][name]:.0%}" for name in SHARES if name in row["figures"])
        thresholds = f"{row['threshold']:.0%}, {row['offer_threshold']:.0%}" if row["calibrated"] else ""
        created = release.record.created_at[:10]
        table.add_row(f"{row['name']}{state}", f"{row['entries']:,}", created, shares, thresholds)
    out.print(table)
    for release in releases:
        for problem in release.calibrated.problems if release.calibrated else ():
            out.print(f"{release.record.name} keeps its bundle's calibration. {problem}", markup=False, highlight=False)


def _row(release: Release) -> dict[str, Any]:
    """One release, ready for JSON: its record, its place, its thresholds and figures."""
    calibrated = release.calibrated or Calibrated()
    calibration = calibrated.calibration
    return {
        **release.record.model_dump(exclude={"common_identifiers"}),
        "active": release.active,
        "previous": release.previous,
        "calibrated": calibration is not None,
        "problems": list(calibrated.problems),
        "threshold": calibration.threshold if calibration else None,
        "offer_threshold": calibration.offer.threshold if calibration else None,
        "figures": calibrated.figures,
    }


@contextmanager
def _listening(settings: Settings) -> Iterator[socket.socket]:
    """A bound socket, so that a port in use is known before anything is loaded. Raises SettingsError."""
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


def _bar(what: str) -> Progress:
    columns = (TextColumn(what), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    console = Console(stderr=True)
    return Progress(*columns, console=console, transient=True, disable=not console.is_terminal)


if __name__ == "__main__":
    cli()
