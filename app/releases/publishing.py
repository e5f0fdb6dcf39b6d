"""Publishes a release: builds an index of knowledge and bundle, verifies and activates it.

If the process is killed at any moment, the old release continues to serve.
"""

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import UTC, datetime
from functools import partial
from itertools import islice
from typing import Any, Literal, NamedTuple, TypeVar

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
QUESTIONS: tuple[Literal["phrasings", "negatives"], ...] = ("phrasings", "negatives")  # of a payload
T = TypeVar("T")


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
    *,
    empty: bool = False,
) -> str:
    """Build, verify and activate the release of `bundle` and `entries`; returns its name. Reads `entries` once.

    The caller holds the writer's lock. An existing intact release is activated as it is; a damaged one is rebuilt under
    a name with a suffix. `gate`: measures it on the golden questions first. `real`: questions of users whose answers
    are known, which calibrate it beside the bundle's held-out ones. `empty`: no entries make a release that answers
    nothing, since a person removed the last one. Raises NotReady without entries unless `empty`, IndexUnavailable if
    the new index does not find its entries, Blocked if it breaks golden questions, BundleStoreError.
    """
    await catalog.indexes.sweep()
    read_at = datetime.now(UTC)
    with Spool(entries, catalog.settings.home) as spool:
        if not len(spool) and not empty:
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
    steps = max(1, len(spool))
    waiting = partial(progress, steps - 1, steps)  # the last step is the switch
    await catalog.indexes.build(record, batches(opened.cached, spool, progress), waiting)
    try:
        await _verify_release(catalog, record.name, opened.encoder)
    except FaqError:
        await catalog.indexes.drop(record.name)
        raise


def batches(
    encoder: CachedEncoder, spool: Spool, progress: Progress = lambda done, total: None
) -> Iterator[list[Candidate]]:
    """The entries as candidates to index, in batches of BATCH; reports the progress before each.

    Where several processes encode, they have begun with the next batches.
    """
    rows, done = spool.rows(), 0
    batched = iter(lambda: list(islice(rows, BATCH)), [])
    for begun in _ahead((_Begun.of(encoder, batch) for batch in batched), encoder.ahead):
        progress(done, len(spool))
        yield begun.candidates()
        done += len(begun.rows)


def _ahead(items: Iterator[T], count: int) -> Iterator[T]:
    """The items, each after the `count` next ones were taken too."""
    taken: deque[T] = deque()
    for item in items:
        taken.append(item)
        if len(taken) > count:
            yield taken.popleft()
    yield from taken


class _Begun(NamedTuple):
    """Entries whose texts are being encoded."""

    rows: Sequence[tuple[Payload, str]]
    answers: Callable[[], list[Vectors]]
    questions: Callable[[], Vectors]

    @classmethod
    def of(cls, encoder: CachedEncoder, rows: Sequence[tuple[Payload, str]]) -> "_Begun":
        answers, questions = _texts(rows)
        return cls(rows, encoder.begin_documents(answers), encoder.begin_queries(questions))

    def candidates(self) -> list[Candidate]:
        """Waits for the vectors."""
        return _assembled(self.rows, self.answers(), self.questions())


def candidates_of(encoder: Encoder | CachedEncoder, rows: Sequence[tuple[Payload, str]]) -> list[Candidate]:
    """The entries of these payloads and digests, with the vectors of their texts."""
    answers, questions = _texts(rows)
    return _assembled(rows, encoder.encode_documents(answers), encoder.encode_queries(questions))


def _texts(rows: Sequence[tuple[Payload, str]]) -> tuple[list[str], list[str]]:
    """The answers, and the phrasings and then the negatives of each entry."""
    questions = (text for payload, _ in rows for name in QUESTIONS for text in payload[name])
    return [answer_of(payload) for payload, _ in rows], list(questions)


def _assembled(rows: Sequence[tuple[Payload, str]], answers: Sequence[Vectors], questions: Vectors) -> list[Candidate]:
    """`answers` and `questions`: the vectors of `_texts(rows)`."""
    counts = [len(payload[name]) for payload, _ in rows for name in QUESTIONS]
    parts = iter(np.split(questions, np.cumsum(counts, dtype=np.int64))[:-1])
    return [
        Candidate(payload["id"], dict(payload), answer, next(parts), next(parts), digest=digest)
        for (payload, digest), answer in zip(rows, answers, strict=True)
    ]


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
