"""The commands `releases` and `releases activate`."""

import asyncio
import json
from typing import Annotated, Any

import typer
from rich.table import Column, Table

from app.cli import compared_table
from app.cli.terminal import COMMAND_LINE, command_settings, out, reporting_errors
from app.errors import StoreError
from app.golden.judging import Expected
from app.golden.questions import GoldenStore
from app.golden.runs import Runs
from app.knowledge.store import Store
from app.ranking.adaptation import Estimate
from app.ranking.calibration import Calibrated
from app.ranking.unanswerable import DEFAULT_SHARE
from app.releases import activating, examining
from app.releases.catalog import Catalog, Release
from app.releases.examining import Compared, opened
from app.releases.turns import writing
from app.settings import Settings

cli = typer.Typer(add_completion=False, help="List the releases, or activate one.")
SHARES = ("helped", "wrong")  # the figures of a release that the table shows


@cli.callback(invoke_without_command=True)
def list_releases(
    context: typer.Context, as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False
) -> None:
    """List the releases, newest first."""
    if context.invoked_subcommand is not None:
        return
    with reporting_errors():
        settings = command_settings()
        releases = asyncio.run(_releases(settings))
        _show(releases, _blocked(settings), as_json)


@cli.command("activate")
def activate(
    name: Annotated[str, typer.Argument(help="A release that `releases` lists.")],
    override: Annotated[
        bool, typer.Option("--override", help="Also a release that the golden questions block.")
    ] = False,
) -> None:
    """Make a release the active one; an older release too, as a rollback. The store does not change."""
    with reporting_errors():
        settings = command_settings()
        store = Store.open(settings.sqlalchemy_url)
        try:
            with writing(settings.home, store.database):
                asyncio.run(_activate(settings, Runs(store.database), name, override))
        finally:
            store.close()
        out.print(f"Active: {name}", highlight=False)


@cli.command("compare")
def compare(
    before: Annotated[str, typer.Argument(help="A release that `releases` lists.")],
    after: Annotated[str, typer.Argument(help="Another one.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Compare what two releases answer to the golden questions, question by question."""
    with reporting_errors():
        settings = command_settings()
        store = Store.open(settings.sqlalchemy_url)
        try:
            questions = [Expected(golden.question, golden.faq_id) for golden in GoldenStore(store.database).all()]
        finally:
            store.close()
        compared_table.show(asyncio.run(_compared(settings, before, after, questions)), out, as_json)


async def _compared(settings: Settings, before: str, after: str, questions: list[Expected]) -> list[Compared]:
    catalog = Catalog(settings)
    try:
        async with opened(catalog, before) as first, opened(catalog, after) as second:
            return await examining.compare(first, second, questions)
    finally:
        await catalog.close()


async def _releases(settings: Settings) -> list[Release]:
    catalog = Catalog(settings)
    try:
        return await catalog.releases()
    finally:
        await catalog.close()


async def _activate(settings: Settings, runs: Runs, name: str, override: bool) -> None:
    catalog = Catalog(settings)
    try:
        await activating.activate(catalog, runs, name, COMMAND_LINE, override)
    finally:
        await catalog.close()


def _blocked(settings: Settings) -> set[str]:
    """The releases that golden questions block; none where the database, which tells, is away."""
    try:
        store = Store.open(settings.sqlalchemy_url)
    except StoreError:
        return set()
    try:
        return set(Runs(store.database).blocked())
    finally:
        store.close()


def _show(releases: list[Release], blocked: set[str], as_json: bool) -> None:
    rows = [_row(release, blocked) for release in releases]
    if as_json:
        out.print_json(json.dumps(rows))
        return
    columns = [Column(name, no_wrap=True) for name in ("release", "entries", "created")]
    table = Table(*columns, "helped, wrong", "answers, offers from")
    for row in rows:
        state = next((f"\n{name}" for name in ("active", "previous", "blocked") if row[name]), "")
        state += f"\nincrement {row['increment']}" if row["increment"] else ""
        shares = ", ".join(f"{row['figures'][name]:.0%}" for name in SHARES if name in row["figures"])
        thresholds = f"{row['threshold']:.0%}, {row['offer_threshold']:.0%}" if row["calibrated"] else ""
        table.add_row(f"{row['name']}{state}", f"{row['entries']:,}", row["created_at"][:10], shares, thresholds)
    out.print(table)
    for release in releases:
        for problem in release.calibrated.problems if release.calibrated else ():
            note = f"{release.record.name}: its model states the confidence, not fitted to this FAQ. {problem}"
            out.print(note, markup=False, highlight=False)
        if release.active and release.estimate and release.estimate.questions:
            out.print(_suggestion(release.estimate, release.record.unanswerable_share), markup=False, highlight=False)


def _suggestion(estimate: Estimate, stated: float | None) -> str:
    return (
        f"Estimated from {estimate.questions:,} questions: {estimate.share:.0%} of them have no answer in the FAQ "
        f"(stated: {stated or DEFAULT_SHARE:.0%}; misfit {estimate.misfit:.2f}, where 0 fits and 1 does not at all)."
    )


def _row(release: Release, blocked: set[str]) -> dict[str, Any]:
    """A release as a JSON object: its record, whether it is active or blocked, its thresholds and figures."""
    calibrated = release.calibrated or Calibrated()
    calibration = calibrated.calibration
    return {
        **release.record.model_dump(exclude={"common_identifiers"}),
        "active": release.active,
        "previous": release.previous,
        "blocked": release.record.name in blocked and not release.active,
        "calibrated": calibration is not None,
        "problems": list(calibrated.problems),
        "threshold": calibration.threshold if calibration else None,
        "offer_threshold": calibration.offer.threshold if calibration else None,
        "figures": calibrated.figures,
        "estimated_unanswerable_share": release.estimate._asdict() if release.estimate else None,
    }
