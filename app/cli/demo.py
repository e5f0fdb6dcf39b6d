"""The command `demo`: the sample FAQ answers at once, with the base model, in a home of its own."""

import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.resources import as_file, files
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated

import typer

from app import logs
from app.cli.start import start
from app.settings import PREFIX

SAMPLE = "sample.jsonl"  # a link to data/faq.jsonl; a wheel holds the file
KEPT = "FAQ_PORT"
ELSEWHERE = ("FAQ_DATABASE_URL", "FAQ_QDRANT_URL", "FAQ_BUNDLE_STORE")  # empty, so that no secret sets them


def demo(
    home: Annotated[
        Path | None,
        typer.Option(help="Keep the demo in this directory. Default: a temporary directory, removed at the end."),
    ] = None,
) -> None:
    """Serve the sample FAQ of a fictional shop with the base model. Of the settings only FAQ_PORT is used."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    with _home(home) as directory, as_file(files("app.cli").joinpath(SAMPLE)) as sample:
        logs.announce(f"Demo: a fictional shop's FAQ, in {directory}. Ctrl-C ends it.")
        for name in [name for name in os.environ if name.upper().startswith(PREFIX) and name.upper() != KEPT]:
            del os.environ[name]
        os.environ |= {f"{PREFIX}HOME": str(directory), **dict.fromkeys(ELSEWHERE, "")}
        start(sample)


@contextmanager
def _home(named: Path | None) -> Iterator[Path]:
    """The directory of the demo."""
    if named is not None:
        yield named
        return
    with TemporaryDirectory(prefix="faqtual-demo-") as directory:
        yield Path(directory)
