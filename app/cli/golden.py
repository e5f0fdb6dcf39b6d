"""The commands `golden import`, `golden export` and `golden run`."""

import asyncio
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Column, Table
from rich.text import Text

from app import durable
from app.cli.terminal import COMMAND_LINE, command_settings, out, reporting_errors
from app.errors import NotReady
from app.golden.adapting import ShareJudged
from app.golden.files import FIELDS, GoldenFormat, export, golden_format, read
from app.golden.judging import Judged
from app.golden.questions import GoldenStore
from app.knowledge.readers.options import Limits, ReadOptions
from app.knowledge.readers.row_file import RowFile
from app.knowledge.store import Store
from app.releases.catalog import Catalog
from app.releases.gate import Gate
from app.settings import Settings

cli = typer.Typer(
    add_completion=False, no_args_is_help=True, help="The golden questions that each new release is measured on."
)
SHOWN = 200  # wrong questions of the table


@cli.command("import")
def import_file(
    file: Annotated[Path, typer.Argument(help="JSON lines or CSV, or an evaluation file of the trainer.")],
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Count what the import would do.")] = False,
) -> None:
    """Add the golden questions of a file: all of them, or none. A question that is there already is updated."""
    with reporting_errors():
        settings = command_settings()
        with _store(settings) as store:
            golden = GoldenStore(store.database)
            rows = RowFile.open(file, ReadOptions(limits=Limits.of(settings)), FIELDS)
            added = golden.take(read(rows, golden, store.entries), COMMAND_LINE, dry_run=dry_run)
    note = " This was a dry run." if dry_run else ""
    out.print(
        f"{added.added:,} added, {added.updated:,} updated, {added.unchanged:,} unchanged.{note}", highlight=False
    )


@cli.command("export")
def export_file(
    file: Annotated[Path | None, typer.Argument(help="The file to write. Default: standard output.")] = None,
    kind: Annotated[
        GoldenFormat | None, typer.Option("--format", help="Default: by the suffix of the file, else jsonl.")
    ] = None,
) -> None:
    """Write every golden question to a file, which `golden import` and `python -m trainer evaluate --queries` read."""
    with reporting_errors():
        chosen = kind or golden_format(file.name if file else None)
        with _store(command_settings()) as store:
            text = export(GoldenStore(store.database).all(), chosen)
        if file is None:
            sys.stdout.write(text)
        else:
            durable.write(file, text)


@cli.command("run")
def run(
    release: Annotated[str | None, typer.Option(help="The release to measure. Default: the active one.")] = None,
) -> None:
    """Measure a release on the golden questions, and list those that it answers wrong."""
    with reporting_errors():
        settings = command_settings()
        with _store(settings) as store:
            name, judged, share = asyncio.run(_measured(settings, store, release))
        if judged.wrong:
            out.print(_table(judged))
        broken = f", {len(judged.broken):,} of the wrong ones are right in the active release" if judged.broken else ""
        out.print(f"{name}: {judged.right:,} of {judged.questions:,} right{broken}.", highlight=False, soft_wrap=True)
        if share:
            out.print(str(share), highlight=False, soft_wrap=True)


@contextmanager
def _store(settings: Settings) -> Iterator[Store]:
    store = Store.open(settings.sqlalchemy_url)
    try:
        yield store
    finally:
        store.close()


async def _measured(settings: Settings, store: Store, release: str | None) -> tuple[str, Judged, ShareJudged | None]:
    catalog = Catalog(settings)
    try:
        name = release or await catalog.active()
        if name is None:
            raise NotReady("No release is active yet. Publish one first: `python -m app reindex --bundle DIR`.")
        gate = Gate(store.database, settings.golden_max_broken)
        return name, await gate.measure(catalog, name), await gate.judge_share(catalog, name)
    finally:
        await catalog.close()


def _table(judged: Judged) -> Table:
    table = Table(Column("question", max_width=60), "expected", "answered", "confidence")
    for missed in judged.wrong[:SHOWN]:
        cells = (missed.question, missed.expected or "no answer", missed.after or "no answer")
        table.add_row(*map(Text, cells), f"{missed.confidence:.0%}")
    return table
