"""Prints the result of an import, or of a dry run, to a terminal."""

import json
from collections.abc import Iterable, Iterator

from rich.console import Console
from rich.table import Column, Table
from rich.text import Text

from app.errors import RowError
from app.imports.importing import Imported
from app.knowledge.intake import Change

SHOWN = 50  # rows of each kind

Line = tuple[str, str, str, str]  # what happens to the entry, its id or place, its question, the fields or the reason


def show(imported: Imported, console: Console, as_json: bool) -> None:
    """Print what an import did; for a dry run, what it would do with each entry."""
    if as_json:
        refused = [
            {**(row.place.fields() if row.place else {}), "field": row.field, "message": row.reason}
            for row in imported.file.refused
        ]
        console.print_json(json.dumps({**imported.as_dict(), "refused": refused}))
        return
    plan = plan_of(imported)
    if imported.dry_run and plan.row_count:
        console.print(plan)
    for line in [*imported.file.merged, *imported.warnings]:
        console.print(str(line), style="yellow", markup=False, highlight=False, soft_wrap=True)
    console.print(summary_of(imported), highlight=False, soft_wrap=True)


def plan_of(imported: Imported) -> Table:
    """A table of the added, changed, orphaned, removed, merged and refused rows, up to SHOWN of each."""
    table = Table("", Column("id or place", overflow="fold"), Column("question", max_width=50), "fields or reason")
    for line in _lines(imported):
        table.add_row(*map(Text, line))
    return table


def summary_of(imported: Imported) -> str:
    """The counts, in one or two sentences."""
    report, refused = imported.report, len(imported.file.refused)
    missing = f"{report.orphaned:,} in the store alone, " if report.orphaned else ""
    counts = (
        f"{report.total:,} entries: {report.added:,} added, {report.updated:,} updated, "
        f"{report.unchanged:,} unchanged, {missing}{report.removed:,} removed"
    )
    if not imported.dry_run:
        return f"{counts}."
    return f"{counts}, {refused:,} refused. This was a dry run of {imported.file.format}: nothing was changed."


def _lines(imported: Imported) -> Iterator[Line]:
    report = imported.report
    yield from _entries("added", report.added, report.added_entries)
    yield from _entries("changed", report.updated, report.updated_entries)
    yield from _entries("orphaned", report.orphaned, report.orphaned_entries, "not in the file; stays")
    yield from _entries("removed", report.removed, report.removed_entries, "not in the file")
    merged = imported.file.merged
    yield from (("merged", entry.id, "", str(entry)) for entry in merged[:SHOWN])
    yield from _more("merged", len(merged))
    yield from map(_refused, imported.file.refused[:SHOWN])
    yield from _more("refused", len(imported.file.refused))


def _entries(kind: str, count: int, changes: Iterable[Change], why: str = "") -> Iterator[Line]:
    for change, _ in zip(changes, range(SHOWN), strict=False):
        yield kind, change.id, change.question, ", ".join(change.fields) or why
    yield from _more(kind, count)


def _refused(row: RowError) -> Line:
    return "refused", str(row.place or ""), "", row.reason


def _more(kind: str, count: int) -> Iterator[Line]:
    if count > SHOWN:
        yield kind, f"and {count - SHOWN:,} more", "", ""
