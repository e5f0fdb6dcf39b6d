"""Brings the active release up to date with the store: by an increment where little changed, else by a publish.

If the process is killed at any moment, the old release continues to serve.
"""

import asyncio
import logging
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from app.errors import FaqError, IndexUnavailable, NotFound
from app.index.candidates import Candidate
from app.index.filters import FieldKinds
from app.index.protocol import Index, IndexRecord
from app.knowledge.changes import Changes
from app.knowledge.entry import revision_of_digests
from app.knowledge.store import Store
from app.ranking.calibration import calibrated_of
from app.releases.catalog import Catalog
from app.releases.gate import Gate
from app.releases.keeping import line_of
from app.releases.measuring import RealQuestions, fit, no_questions
from app.releases.opened import OpenBundle, Progress
from app.releases.payloads import payload_of
from app.releases.publishing import candidates_of, free_name, publish_opened, stated
from app.releases.spool import Spool
from app.releases.switching import switch
from app.releases.vector_cache import CachedEncoder
from app.releases.verifying import verify, verify_changes
from app.text.markup import VERSION as PLAIN_TEXT

COMPACT_SHARE, COMPACT_LEAST = 0.1, 200  # a publish follows when more entries than either changed since the last
COMPACT_AFTER = 50  # increments
FIT_SHARE, FIT_AFTER = 0.05, timedelta(hours=1)  # a calibration is fitted again after either

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Target:
    """What a release is to hold: digests by id; and what its parent lacks, and has too much."""

    digests: Mapping[str, str]
    entries: Sequence[Candidate]
    removed: frozenset[str]


async def update(
    catalog: Catalog,
    store: Store,
    opened: OpenBundle,
    progress: Progress = lambda done, total: None,
    only: Collection[str] | None = None,
    gate: Gate | None = None,
    real: RealQuestions = no_questions,
) -> str:
    """Bring the active release up to date; returns the name of the release that is active then.

    `opened`: the bundle of the active release. `only`: the ids of the entries whose changes in the store count; all
    else, settings too, stays as in the active release, unless that is damaged or of an earlier version. `gate`, `real`:
    as for `publish_opened`. The release of a store without live entries answers nothing. The caller holds the writer's
    lock. Raises IndexUnavailable if the new release does not find its entries, Blocked if it breaks golden questions.
    """
    await catalog.indexes.sweep()
    active = await catalog.active()
    line = line_of(await catalog.indexes.records(), active) if active else []
    name = None
    if active and line and _is_current(line[0], catalog, opened, only):
        try:
            async with catalog.index(active) as present, catalog.index(line[-1].name) as newest:
                name = await _increment(catalog, store, opened, present, newest, progress, only, gate)
        except (IndexUnavailable, NotFound) as error:
            logger.warning("%s is not extended, and a whole release is built: %s", active, error)
    return name or await publish_opened(catalog, opened, store.published(), progress, gate, real, empty=True)


def _is_current(record: IndexRecord, catalog: Catalog, opened: OpenBundle, only: Collection[str] | None) -> bool:
    """Whether a release was made as one of now would be, whatever its entries are. With `only`, settings may differ."""
    now = stated(opened.bundle, catalog.settings) if only is None else {"bundle": opened.bundle.revision}
    return record.plain_text in (0, PLAIN_TEXT) and all(getattr(record, name) == value for name, value in now.items())


async def _increment(
    catalog: Catalog,
    store: Store,
    opened: OpenBundle,
    present: Index,
    newest: Index,
    progress: Progress,
    only: Collection[str] | None,
    gate: Gate | None,
) -> str | None:
    """As `update`, by an increment on the newest release of the line. None where a publish is due."""
    read_at, active = datetime.now(UTC), present.record.name
    digests = await _digests(present, opened)
    changes = None if digests is None else await asyncio.to_thread(store.changes, digests, only)
    if changes is None:
        return None
    if not changes.entries and not changes.removed:
        return active
    if _is_due(newest.record, changes):
        return None
    alike = [record for record in await catalog.indexes.records() if _is_current(record, catalog, opened, only)]
    name = await _existing(catalog, alike, present, opened, changes.digests)
    if name is None:
        target = await _target(present, newest, opened.cached, changes)
        name = await _extend(catalog, present, newest, opened, target, read_at)
    if name == active:
        progress(1, 1)
    else:
        changed = {entry.id for entry in changes.entries} | changes.removed
        await switch(catalog, opened, name, len(changes.digests), progress, gate, changed)
    opened.digests = name, dict(changes.digests)
    return name


async def _digests(present: Index, opened: OpenBundle) -> dict[str, str] | None:
    """The digests of the active release, which a warm worker knows already."""
    if opened.digests and opened.digests[0] == present.record.name:
        return opened.digests[1]
    return await present.digests()


def _is_due(newest: IndexRecord, changes: Changes) -> bool:
    """Whether a publish is due. It takes all that the store holds, so it waits until this is what is wanted."""
    changed = newest.changed + len(changes.entries) + len(changes.removed)
    much = changed > max(COMPACT_LEAST, COMPACT_SHARE * len(changes.digests)) or newest.increment >= COMPACT_AFTER
    return much and changes.complete


async def _existing(
    catalog: Catalog, records: Sequence[IndexRecord], present: Index, opened: OpenBundle, digests: Mapping[str, str]
) -> str | None:
    """The last finished release of these entries among `records`, or None. A process that died may have left one
    without its calibration."""
    knowledge = revision_of_digests(digests.values())
    for record in reversed(records):
        if record.knowledge == knowledge:
            try:
                async with catalog.index(record.name) as index:
                    await verify(index, opened.encoder)
                    if index.calibration is not None or present.calibration is None:
                        return record.name
            except FaqError:
                continue
    return None


async def _target(present: Index, newest: Index, encoder: CachedEncoder, changes: Changes) -> Target:
    """What an increment on `newest` must change so that it holds what `present`, the active release, lacks only the
    changes of. The two differ after a rollback."""
    entries = await asyncio.to_thread(_candidates, encoder, changes)
    if present.record.name == newest.record.name:
        return Target(changes.digests, entries, changes.removed)
    held = await newest.digests() or {}
    encoded = {entry.id for entry in entries}
    other = {name for name, digest in changes.digests.items() if held.get(name) != digest and name not in encoded}
    restored = [entry._replace(digest=changes.digests[entry.id]) for entry in await present.entries(other)]
    return Target(changes.digests, [*entries, *restored], frozenset(held.keys() - changes.digests.keys()))


def _candidates(encoder: CachedEncoder, changes: Changes) -> list[Candidate]:
    return candidates_of(encoder, [(payload_of(entry, changes.questions), entry.digest) for entry in changes.entries])


async def _extend(
    catalog: Catalog, present: Index, newest: Index, opened: OpenBundle, target: Target, read_at: datetime
) -> str:
    """Write the increment on `newest`, verify it, and let it inherit what `present` has learned. Returns its name."""
    record = _record(newest.record, target, read_at)
    record = record.model_copy(update={"name": await free_name(catalog, record.name)})
    await catalog.indexes.extend(record, newest.record.name, [list(target.entries)], target.removed)
    try:
        async with catalog.index(record.name) as index:
            changed, removed = [entry.id for entry in target.entries], sorted(target.removed)
            await verify_changes(index, newest, opened.encoder, changed, removed)
        if present.calibration is not None:
            await catalog.indexes.calibrate(record.name, present.calibration)
    except FaqError:
        await catalog.drop(record.name)
        raise
    await asyncio.to_thread(catalog.shares.inherit, record.name, present.record.name)
    return record.name


def _record(newest: IndexRecord, target: Target, read_at: datetime) -> IndexRecord:
    knowledge = revision_of_digests(target.digests.values())
    fields = FieldKinds()
    fields.add_fields(newest.fields)
    for entry in target.entries:
        fields.add(entry.payload["metadata"])
    with_markup = any("plain_answer" in entry.payload for entry in target.entries)
    update: dict[str, Any] = {
        "name": f"faq-{newest.bundle}-{knowledge}",
        "knowledge": knowledge,
        "entries": len(target.digests),
        "created_at": read_at.isoformat(timespec="microseconds"),
        "fields": fields.listed(),
        "plain_text": PLAIN_TEXT if with_markup else newest.plain_text,
        "base": newest.base or newest.name,
        "increment": newest.increment + 1,
        "changed": newest.changed + len(target.entries) + len(target.removed),
    }
    return newest.model_copy(update=update)


async def refit(catalog: Catalog, store: Store, opened: OpenBundle, real: RealQuestions = no_questions) -> None:
    """Calibrate the active release again if much of it changed since its calibration was fitted, or that is long ago.

    Its increments inherit the calibration, and a service applies it with the next release that it opens.
    """
    active = await catalog.active()
    records = {record.name: record for record in await catalog.indexes.records()}
    if active is None or active not in records or records[active].base is None:
        return
    async with catalog.index(active) as index:
        calibrated = calibrated_of(index.calibration, active)
        fitted = records.get((calibrated and calibrated.fitted_for) or str(index.record.base))
        if fitted is None or _is_old(fitted, index.record):
            with Spool(store.published(), catalog.settings.home) as entries:
                await fit(catalog, index, opened.bundle, opened.encoder, entries, real)


def _is_old(fitted: IndexRecord, record: IndexRecord) -> bool:
    """Whether a calibration fitted for one release is too old for another."""
    age = datetime.fromisoformat(record.created_at) - datetime.fromisoformat(fitted.created_at)
    return age > FIT_AFTER or record.changed - fitted.changed > FIT_SHARE * record.entries
