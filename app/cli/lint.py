"""The command `lint`: likely mistakes in the entries of the store."""

import asyncio
from datetime import UTC, datetime
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import track
from rich.table import Column, Table
from rich.text import Text

from app.cli.terminal import command_settings, out, reporting_errors
from app.encoding.bundle import TOKENIZER, Bundle
from app.encoding.encoder import Encoder
from app.encoding.lengths import Lengths
from app.errors import FaqError, InputError
from app.knowledge.store import Store
from app.lint.finding import ADVICE, KINDS, Finding, Kind
from app.lint.linting import lint as lint_entries
from app.lint.report import Report
from app.releases.catalog import Catalog
from app.releases.vector_cache import CachedEncoder
from app.settings import Settings
from app.text.spelling import hint

SHOWN = 20  # findings of a kind
STYLES = {"error": "red", "warning": "yellow", "info": "cyan"}


def lint(
    kinds: Annotated[list[str] | None, typer.Option("--kind", help="Findings of this kind alone; repeatable.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print every finding, as JSON.")] = False,
) -> None:
    """List likely mistakes in the entries: contradictions, near-duplicates, broken links, expired entries and others.

    Entries are compared by meaning if a release is active.
    """
    with reporting_errors():
        chosen = [_kind(name) for name in kinds or ()]
        report = lint_home(command_settings())
        if as_json:
            typer.echo(report.as_json())
        else:
            _show(report, chosen)


def lint_home(settings: Settings) -> Report:
    """The report of the entries in the store, compared with the encoder of the active release."""
    store = Store.open(settings.sqlalchemy_url)
    try:
        release, bundle, problem = asyncio.run(_active(settings))
        stored = track(
            store.stored_entries(), "Reading", store.count(), console=Console(stderr=True), transient=True,
            disable=not Console(stderr=True).is_terminal,
        )  # fmt: skip
        now = datetime.now(UTC)
        if bundle is None:
            return lint_entries(stored, now).of_release(None, problem)
        lengths = Lengths(bundle.directory / TOKENIZER, bundle.manifest.encoding)
        file = settings.home / "vectors" / f"{bundle.revision}.db"
        with CachedEncoder(Encoder(bundle), file) as encoder:
            return lint_entries(stored, now, encoder, lengths).of_release(release)
    finally:
        store.close()


def _kind(name: str) -> Kind:
    kind = next((kind for kind in KINDS if kind == name), None)
    if kind is None:
        raise InputError(f"--kind: There is no kind `{name}`; {hint(name, KINDS)}.", "kind")
    return kind


async def _active(settings: Settings) -> tuple[str | None, Bundle | None, str | None]:
    """The active release and its bundle, or why there is none that can be used."""
    catalog = Catalog(settings)
    try:
        bundle = await catalog.active_bundle()
        return await catalog.active(), bundle, None
    except FaqError as error:
        return None, None, str(error)
    finally:
        await catalog.close()


def _show(report: Report, kinds: list[Kind]) -> None:
    table = Table("", "what is wrong", Column("entries", overflow="fold"))
    page = report.page(len(report.findings) or 1, None, kinds)
    shown: dict[Kind, int] = {}
    for finding in page.findings:
        shown[finding.kind] = shown.get(finding.kind, 0) + 1
        if shown[finding.kind] <= SHOWN:
            table.add_row(*_row(finding))
    if page.findings:
        out.print(table)
    for kind in shown:
        count = report.counts[kind]
        more = f" (the first {SHOWN} are shown; --json prints all)" if count > SHOWN else ""
        out.print(f"{kind}: {count:,}{more}. {ADVICE[kind]}", markup=False, highlight=False, soft_wrap=True)
    if report.problem:
        out.print(f"Nothing was compared by meaning: {report.problem}", style="yellow", markup=False, highlight=False)
    noun = "finding" if page.total == 1 else "findings"
    out.print(f"{report.entries:,} entries, {page.total:,} {noun}.", highlight=False)


def _row(finding: Finding) -> tuple[Text, Text, Text]:
    similarity = "" if finding.similarity is None else f" ({finding.similarity:.2f})"
    more = f"\nand {finding.total - len(finding.entries):,} more" if finding.total > len(finding.entries) else ""
    entries = "\n".join(f"{mention.id}: {mention.text}" for mention in finding.entries)
    kind = Text(finding.kind, style=STYLES[finding.severity])
    return kind, Text(finding.message + similarity), Text(entries + more)
