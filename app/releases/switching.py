"""The last step of a build: the gate, the switch, and what is no longer kept."""

from collections.abc import Collection

from app.releases.catalog import Catalog, Loaded
from app.releases.gate import Gate
from app.releases.opened import OpenBundle, Progress


async def switch(
    catalog: Catalog,
    opened: OpenBundle,
    name: str,
    entries: int,
    progress: Progress,
    gate: Gate | None,
    changed: Collection[str] | None = None,
) -> None:
    """Activate a release that is built, verified and calibrated, unless the gate blocks it.

    `entries`: how many it has; `progress` is called with all of them done right before the switch. `changed`: the
    entries in which an increment differs from the active release. Raises Blocked, IndexUnavailable, StoreError,
    BundleStoreError.
    """
    loaded, steps = Loaded(opened.bundle, opened.encoder), max(1, entries)
    blocked = gate and await gate.check(catalog, name, lambda: progress(steps - 1, steps), changed, loaded)
    if not blocked:
        await catalog.share(opened.bundle)
        progress(steps, steps)
        await catalog.indexes.activate(name)
    await catalog.prune(await gate.kept() if gate else ())
    if blocked:
        raise blocked
