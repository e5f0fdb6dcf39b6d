"""Publishes a release: builds an index of knowledge and bundle, verifies and activates it.

If the process is killed at any moment, the old release continues to serve.
"""

from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from functools import partial
from itertools import islice
from typing import Any

import numpy as np

from app.arrays import Vectors
from app.encoding.bundle import Bundle
from app.encoding.encoder import Encoder
from app.errors import FaqError, NotReady
from app.index.candidates import Candidate
from app.index.protocol import IndexRecord
from app.index.words import answer_of
from app.knowledge.entry import Entry
from app.ranking.heldout import Payload
from app.ranking.ranking import Ranking
from app.releases.catalog import Catalog
from app.releases.gate import Gate
from app.releases.measuring import RealQuestions, measure, no_questions
from app.releases.opened import OpenBundle, Progress
from app.releases.spool import Spool
from app.releases.switching import switch
from app.releases.vector_cache import CachedEncoder
from app.releases.verifying import verify
from app.settings import Settings
from app.text.markup import VERSION as PLAIN_TEXT

BATCH = 64  # entries encoded and written at a time


async def publish(
    catalog: Catalog,
    bundle: Bundle,
    entries: Iterable[Entry],
    progress: Progress = lambda done, total: None,
    gate: Gate | None = None,
) -> str:
    """As `publish_opened`, with the bundle open for this release only."""
    with OpenBundle(bundle.install(catalog.models), catalog.vectors, catalog.packed) as opened:
        return await publish_opened(catalog, opened, entries, progress, gate)


async def publish_opened(
    catalog: Catalog,
    opened: OpenBundle,
    entries: Iterable[Entry],
    progress: Progress = lambda done, total: None,
    gate: Gate | None = None,
    real: RealQuestions = no_questions,
) -> str:
    """Build, verify and activate the release of `bundle` and `entries`; returns its name. Reads `entries` once.

    The caller holds the writer's lock. An existing intact release is activated as it is; a damaged one is rebuilt under
    a name with a suffix. `gate`: measures it on the golden questions first. `real`: questions of users whose answers
    are known, which calibrate it beside the bundle's held-out ones. Raises NotReady without entries,
    IndexUnavailable if the new index does not find its entries, Blocked if it breaks golden questions,
    BundleStoreError.
    """
    await catalog.indexes.sweep()
    read_at = datetime.now(UTC)
    with Spool(entries, catalog.settings.home) as spool:
        if not len(spool):
            raise NotReady("There are no live entries to answer from. Import some first: `python -m app import FILE`.")
        record = record_of(opened.bundle, spool, catalog.settings, read_at)
        name = await _existing(catalog, record, opened.encoder)
        if name is None:
            record = record.model_copy(update={"name": await free_name(catalog, record.name)})
            await _build(catalog, record, opened, spool, progress)
            name = record.name
        await measure(catalog, name, opened.bundle, opened.encoder, spool, real)
        await switch(catalog, opened, name, len(spool), progress, gate)
    return name


async def _existing(catalog: Catalog, wanted: IndexRecord, encoder: Encoder) -> str | None:
    """The name of the newest intact release that differs only in name and age; None if there is none."""
    for record in reversed(await catalog.indexes.records()):
        if record.model_copy(update={"name": wanted.name, "created_at": wanted.created_at}) != wanted:
            continue
        try:
            await _verify_release(catalog, record.name, encoder)
        except FaqError:
            continue
        return record.name
    return None


async def _verify_release(catalog: Catalog, name: str, encoder: Encoder) -> None:
    async with catalog.index(name) as index:
        await verify(index, encoder)


async def free_name(catalog: Catalog, name: str) -> str:
    """The name, with a suffix where a release has it already."""
    taken = set(await catalog.indexes.names())
    suffixes = (f"-{number}" for number in range(2, len(taken) + 3))
    return next(name + suffix for suffix in ("", *suffixes) if name + suffix not in taken)


async def _build(catalog: Catalog, record: IndexRecord, opened: OpenBundle, spool: Spool, progress: Progress) -> None:
    waiting = partial(progress, len(spool) - 1, len(spool))  # the last step is the switch
    await catalog.indexes.build(record, batches(opened.cached, spool, progress), waiting)
    try:
        await _verify_release(catalog, record.name, opened.encoder)
    except FaqError:
        await catalog.indexes.drop(record.name)
        raise


def batches(
    encoder: CachedEncoder, spool: Spool, progress: Progress = lambda done, total: None
) -> Iterator[list[Candidate]]:
    """The entries as candidates to index, in batches of BATCH; reports the progress before each."""
    rows, done = spool.rows(), 0
    while batch := list(islice(rows, BATCH)):
        progress(done, len(spool))
        yield candidates_of(encoder, batch)
        done += len(batch)


def candidates_of(encoder: Encoder | CachedEncoder, rows: Sequence[tuple[Payload, str]]) -> list[Candidate]:
    """The entries of these payloads and digests, with the vectors of their texts."""
    payloads = [payload for payload, _ in rows]
    answers = encoder.encode_documents([answer_of(payload) for payload in payloads])
    phrasings, negatives = (
        _encoded(encoder, [payload[name] for payload in payloads]) for name in ("phrasings", "negatives")
    )
    return [
        Candidate(payload["id"], dict(payload), answer, questions, excluded, digest=digest)
        for (payload, digest), answer, questions, excluded in zip(rows, answers, phrasings, negatives, strict=True)
    ]


def _encoded(encoder: Encoder | CachedEncoder, texts: Sequence[Sequence[str]]) -> list[Vectors]:
    """The vectors of the questions of each entry, (questions, dimension)."""
    vectors = encoder.encode_queries([text for of_entry in texts for text in of_entry])
    return np.split(vectors, np.cumsum([len(of_entry) for of_entry in texts], dtype=np.int64))[:-1]


def record_of(bundle: Bundle, spool: Spool, settings: Settings, read_at: datetime | None = None) -> IndexRecord:
    """The record of a new index of these entries: its name, contents and ranking settings.

    `read_at`: when the entries were read from the store, by default now.
    """
    return IndexRecord(
        name=f"faq-{bundle.revision}-{spool.revision}",
        knowledge=spool.revision,
        entries=len(spool),
        created_at=(read_at or datetime.now(UTC)).isoformat(timespec="microseconds"),
        fields=spool.fields,
        average_length=spool.average_length,
        plain_text=PLAIN_TEXT if spool.with_markup else 0,
        common_identifiers=spool.common_identifiers,
        **stated(bundle, settings),
    )


def stated(bundle: Bundle, settings: Settings) -> dict[str, Any]:
    """The fields of a record that bundle and settings alone say, whatever the entries are."""
    ranking = Ranking.of(bundle)
    return {
        "bundle": bundle.revision,
        "dimension": bundle.manifest.encoding.dimension,
        "language": settings.language.lower(),
        "target_precision": settings.target_precision or ranking.target_precision,
        "offer_precision": settings.offer_precision or ranking.offer_precision,
        "unanswerable_share": settings.unanswerable_share or ranking.unanswerable_share,
    }
