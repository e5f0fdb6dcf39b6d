"""Which releases are kept, and in which order the others are dropped. Pure functions of their records."""

from collections.abc import Collection, Sequence

from app.index.protocol import IndexRecord


def base_of(record: IndexRecord) -> str:
    """The name of the publish that a release extends, or is."""
    return record.base or record.name


def line_of(records: Sequence[IndexRecord], name: str) -> list[IndexRecord]:
    """The publish of a release and all increments on it, the publish first; empty where there is no such release."""
    base = next((base_of(record) for record in records if record.name == name), None)
    return sorted((record for record in records if base_of(record) == base), key=lambda record: record.increment)


def kept_releases(
    records: Sequence[IndexRecord],
    active: str | None,
    previous: str | None,
    increments: int = 0,
    blocked: Collection[str] = (),
) -> set[str]:
    """The names to keep; `records` are oldest first.

    The active release and the previous one; the publish before that of the active release; the last publish of another
    bundle; the last `increments` increments; those of `blocked`; and what these extend.
    """
    kept = {name for name in (active, previous) if name}
    kept |= {record.name for record in records if record.name in blocked}
    bases = {record.name: base_of(record) for record in records}
    publishes = [record for record in records if record.base is None]
    if active:
        bundle, base = active.split("-")[1], bases.get(active, active)
        if previous and bases.get(previous, previous) == base:
            names = [record.name for record in publishes if record.bundle == bundle]
            kept.update(names[: names.index(base)][-1:] if base in names else ())
        kept.update([record.name for record in publishes if record.bundle != bundle][-1:])
    if increments:
        kept.update([record.name for record in records if record.base is not None][-increments:])
    return kept | _extended(records, kept)


def _extended(records: Sequence[IndexRecord], kept: Collection[str]) -> set[str]:
    """The releases that those kept extend: their base, and the increments before them."""
    newest: dict[str, int] = {}  # the number of the newest increment kept, by base
    for record in records:
        if record.name in kept:
            newest[base_of(record)] = max(record.increment, newest.get(base_of(record), 0))
    return {record.name for record in records if record.increment <= newest.get(base_of(record), -1)}


def in_dropping_order(records: Sequence[IndexRecord], names: Collection[str]) -> list[str]:
    """The names, each after those of the later increments on the same publish; first those without a record."""
    increments = {record.name: record.increment for record in records}
    return sorted(names, key=lambda name: (name in increments, -increments.get(name, 0), name))
