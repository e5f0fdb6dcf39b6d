"""Figures side by side: base and fine-tuned, as a table and as JSON."""

import json
import logging
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from app.errors import InputError
from app.knowledge.files import read_entries
from app.knowledge.queries import read_queries
from app.retrieval.bundle import MANIFEST, Bundle
from trainer.data import renamed
from trainer.evaluate import Figures, Protocol, evaluate

BASE, TUNED = "base", "fine-tuned"
_COUNTS = ("queries", "entries", "phrasings_removed", "unanswerable")
log = logging.getLogger("trainer")


def side_by_side(directory: Path, queries: Path, index: Path, protocol: Protocol, compare: bool) -> dict[str, Any]:
    """The figures of a bundle (or of a run's) and, with `compare`, of the base model that it was made from."""
    bundle = bundle_in(directory)
    file = read_entries(index)
    entries, asked = file.entries, renamed(read_queries(queries), file.aliases)
    untouched = bundle.manifest.recipe == BASE
    systems: dict[str, Figures] = {BASE if untouched else TUNED: evaluate(bundle, entries, asked, protocol)}
    if compare and not untouched:
        try:
            with base_bundle(bundle.manifest.base_model) as base:
                systems = {BASE: evaluate(base, entries, asked, protocol), **systems}
        except InputError as error:
            log.warning("The base model is not shown: %s", error)
    found = {"bundle": bundle.revision, "base_model": bundle.manifest.base_model, "protocol": protocol}
    return {**found, "queries_file": str(queries), "index_file": str(index), "systems": systems}


@contextmanager
def base_bundle(base: str) -> Iterator[Bundle]:
    """The base model as a bundle for a while, in 32-bit floats. Raises InputError when it cannot be loaded."""
    from trainer import export, model

    with tempfile.TemporaryDirectory(prefix="faqtual-base-") as directory:
        loaded = model.load(base, "cpu")
        yield export.plain(loaded, Path(directory) / "bundle", base_model=base, recipe=BASE)


def show(found: dict[str, Any], console: Console | None = None) -> None:
    """Print the figures as a table, one system a column, and their difference."""
    systems: dict[str, Figures] = found["systems"]
    first = next(iter(systems.values()))
    counts = ", ".join(f"{first[name]:,} {name.replace('_', ' ')}" for name in _COUNTS if name in first)
    table = Table("", *systems, *(["difference"] if len(systems) == 2 else []), title=f"{found['protocol']}: {counts}")
    for name in (name for name in first if name not in _COUNTS):
        values = [figures[name] for figures in systems.values() if name in figures]
        cells = [f"{figures[name]:.3f}" if name in figures else "" for figures in systems.values()]
        if len(values) == 2:
            cells.append(f"{values[1] - values[0]:+.3f}")
        table.add_row(name, *cells)
    (console or Console()).print(table)


def write_json(found: dict[str, Any], path: Path) -> None:
    """Write the figures. Raises InputError when that cannot be."""
    try:
        path.write_text(json.dumps(found, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    except OSError as error:
        raise InputError(f"{path} cannot be written: {error.strerror}", "json") from error


def bundle_in(directory: Path) -> Bundle:
    """The bundle in a directory, or in the run that the directory holds. Raises BundleError."""
    inside = directory / "bundle"
    return Bundle.load(inside if not (directory / MANIFEST).exists() and inside.is_dir() else directory)
