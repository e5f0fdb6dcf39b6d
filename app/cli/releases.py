"""The commands `releases` and `releases activate`."""

import asyncio
import json
from typing import Annotated, Any

import typer
from rich.table import Column, Table

from app.cli.terminal import command_settings, out, reporting_errors
from app.knowledge.store import Store
from app.ranking.adaptation import Estimate
from app.ranking.calibration import Calibrated
from app.ranking.unanswerable import DEFAULT_SHARE
from app.releases.catalog import Catalog, Release
from app.releases.turns import writing
from app.settings import Settings

cli = typer.Typer(help="List the releases, or activate one.")
SHARES = ("helped", "wrong")  # the figures of a release that the table shows


@cli.callback(invoke_without_command=True)
def list_releases(
    context: typer.Context, as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False
) -> None:
    """List the releases, newest first."""
    if context.invoked_subcommand is not None:
        return
    with reporting_errors():
        _show(asyncio.run(_releases(command_settings())), as_json)


@cli.command("activate")
def activate(name: Annotated[str, typer.Argument(help="A release that `releases` lists.")]) -> None:
    """Make a release the active one; an older release too, as a rollback. The store does not change."""
    with reporting_errors():
        settings = command_settings()
        store = Store.open(settings.sqlalchemy_url)
        try:
            with writing(settings.home, store.database):
                asyncio.run(_activate(settings, name))
        finally:
            store.close()
        out.print(f"Active: {name}", highlight=False)


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
    columns = [Column(name, no_wrap=True) for name in ("release", "entries", "created")]
    table = Table(*columns, "helped, wrong", "answers, offers from")
    for release in releases:
        row = _row(release)
        state = "\nactive" if release.active else "\nprevious" if release.previous else ""
        state += f"\nincrement {row['increment']}" if row["increment"] else ""
        shares = ", ".join(f"{row['figures'][name]:.0%}" for name in SHARES if name in row["figures"])
        thresholds = f"{row['threshold']:.0%}, {row['offer_threshold']:.0%}" if row["calibrated"] else ""
        created = release.record.created_at[:10]
        table.add_row(f"{row['name']}{state}", f"{row['entries']:,}", created, shares, thresholds)
    out.print(table)
    for release in releases:
        for problem in release.calibrated.problems if release.calibrated else ():
            out.print(f"{release.record.name} keeps its bundle's calibration. {problem}", markup=False, highlight=False)
        if release.active and release.estimate and release.estimate.questions:
            out.print(_suggestion(release.estimate, release.record.unanswerable_share), markup=False, highlight=False)


def _suggestion(estimate: Estimate, stated: float | None) -> str:
    return (
        f"Estimated from {estimate.questions:,} questions: {estimate.share:.0%} of them have no answer in the FAQ "
        f"(stated: {stated or DEFAULT_SHARE:.0%}; misfit {estimate.misfit:.2f}, where 0 fits and 1 does not at all)."
    )


def _row(release: Release) -> dict[str, Any]:
    """A release as a JSON object: its record, whether it is active, its thresholds and figures."""
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
        "estimated_unanswerable_share": release.estimate._asdict() if release.estimate else None,
    }
