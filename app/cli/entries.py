"""The commands `import` and `export`."""

import asyncio
import sys
from pathlib import Path
from typing import Annotated

import typer

from app import durable
from app.cli import import_table
from app.cli.terminal import COMMAND_LINE, command_settings, out, reporting_errors
from app.encoding.bundle import TOKENIZER
from app.encoding.lengths import Lengths
from app.errors import FaqError, InputError
from app.imports import importing
from app.knowledge.exports import ExportFormat, export, export_format
from app.knowledge.files import read_entries
from app.knowledge.intake import Match, Mode
from app.knowledge.readers.options import Limits, ReadOptions, mapping_of
from app.knowledge.store import Store
from app.releases.catalog import Catalog
from app.settings import Settings


def import_file(
    file: Annotated[Path, typer.Argument(help="A FAQ file: JSON, CSV, XLSX and others; see docs/files.md.")],
    mode: Annotated[
        Mode,
        typer.Option(help="append adds and updates entries by id; replace also removes entries that the file lacks."),
    ] = "append",
    match: Annotated[
        Match,
        typer.Option(
            help="question: a row without an id updates the entry with the same question, if there is exactly one."
        ),
    ] = "id",
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show what the import would do, and change nothing.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    sheet: Annotated[str | None, typer.Option(help="The sheet of an XLSX file. Default: the first.")] = None,
    mapping: Annotated[
        list[str] | None, typer.Option("--map", help="FIELD=COLUMN, such as question=Frage; repeatable.")
    ] = None,
    allow_multiline: Annotated[
        bool, typer.Option("--allow-multiline", help="Accept cells that look as if an open quote had swallowed rows.")
    ] = False,
    fix_mojibake: Annotated[
        bool, typer.Option("--fix-mojibake", help="Repair texts that were decoded with the wrong encoding.")
    ] = False,
) -> None:
    """Import a FAQ file into the store: all of it, or nothing. Then publish it with `reindex`."""
    with reporting_errors():
        settings = command_settings()
        options = ReadOptions(
            sheet=sheet,
            mapping=_mapping(mapping or []),
            allow_multiline=allow_multiline,
            fix_mojibake=fix_mojibake,
            limits=Limits.of(settings),
        )
        read = read_entries(file, options, partial=dry_run)
        store = Store.open(settings.sqlalchemy_url, language=settings.language)
        try:
            lengths = asyncio.run(_lengths(settings))
            imported = importing.import_file(
                store,
                read,
                mode=mode,
                match=match,
                dry_run=dry_run,
                lengths=lengths,
                by=COMMAND_LINE,
                publish=settings.auto_reindex == "all",
            )
        finally:
            store.close()
        import_table.show(imported, out, as_json)
    if read.refused:
        raise typer.Exit(2)


def _mapping(texts: list[str]) -> dict[str, str]:
    try:
        return mapping_of(texts)
    except ValueError as error:
        raise InputError(f"--map: {error}.", "map") from None


async def _lengths(settings: Settings) -> Lengths | None:
    """The length limits of the active bundle's encoder; None without a usable bundle, which an import does not need."""
    catalog = Catalog(settings)
    try:
        bundle = await catalog.active_bundle()
        return Lengths(bundle.directory / TOKENIZER, bundle.manifest.encoding)
    except FaqError:
        return None
    finally:
        await catalog.close()


def export_file(
    file: Annotated[Path | None, typer.Argument(help="The file to write. Default: standard output.")] = None,
    kind: Annotated[
        ExportFormat | None, typer.Option("--format", help="Default: by the suffix of the file, else jsonl.")
    ] = None,
) -> None:
    """Write every entry of the store to a file. `import` reads it back as the same entries."""
    with reporting_errors():
        chosen = kind or export_format(file.name if file else None)
        if file is None and chosen == "xlsx" and sys.stdout.isatty():
            raise InputError(
                "An XLSX file cannot be shown in a terminal. Name a file: `python -m app export faq.xlsx`."
            )
        store = Store.open(command_settings().sqlalchemy_url)
        try:
            blocks = export(store.entries(), chosen)
            if file is None:
                sys.stdout.buffer.writelines(blocks)
                sys.stdout.buffer.flush()
            else:
                durable.write_blocks(file, blocks)
        finally:
            store.close()
