"""Activation by hand: a rollback, or a release that the gate blocked and a person wants nevertheless."""

import asyncio

from app.errors import Blocked
from app.golden.runs import Run, Runs
from app.releases.catalog import Catalog


async def activate(catalog: Catalog, runs: Runs, name: str, by: str, override: bool = False) -> bool:
    """Make a release the active one; returns whether it was blocked. The caller holds the writer's lock. `by`: who.

    Raises Blocked for a release that the gate blocked, unless `override`; NotFound, BundleError or IndexUnavailable
    where it cannot serve; StoreError.
    """
    runs_of_gate = await asyncio.to_thread(runs.of_gate, [name])
    run = runs_of_gate.get(name)
    blocked = run is not None and run.outcome == "blocked" and await catalog.active() != name
    if run is not None and blocked and not override:
        raise Blocked(_refusal(run), name)
    await catalog.activate(name)
    if blocked:
        await asyncio.to_thread(runs.override, name, by)
    return blocked


def _refusal(run: Run) -> str:
    noun = "golden question" if run.broken == 1 else "golden questions"
    return (
        f"The release {run.release} breaks {run.broken:,} {noun} and is blocked; the runs of the golden questions name "
        "them. To activate it anyway, send `override=true`, or use `--override` on the command line."
    )
