"""knowledge + bundle -> verified index -> active. Killed at any moment, the old release goes on serving."""

from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime

import numpy as np

from app.errors import FaqError, IndexUnavailable, NotReady
from app.knowledge.entry import Entry, knowledge_revision
from app.releases.catalog import Catalog
from app.releases.vectors import CachedEncoder
from app.retrieval.bundle import Bundle
from app.retrieval.encoder import Encoder
from app.retrieval.filters import fields_of
from app.retrieval.index import Index, IndexRecord
from app.retrieval.ranking import Candidate, Vectors

BATCH = 64  # entries encoded and written at a time
SAMPLE = 32  # entries that must find themselves before a release may serve
TIE = 1e-3  # of similarity; entries with one text find each other as well as themselves

Progress = Callable[[int, int], None]  # done, total, in entries; may raise to stop


async def publish(
    catalog: Catalog, bundle: Bundle, entries: Sequence[Entry], progress: Progress = lambda done, total: None
) -> str:
    """Build, verify and activate the release of `bundle` and `entries`; returns its name. Hold the writer's lock.

    A release that exists and is whole is activated as it is; a damaged one is built anew under a suffix. Raises
    NotReady without entries, IndexUnavailable when what was built does not find what it holds.
    """
    if not entries:
        raise NotReady("There are no entries to answer from. Import some first: `python -m app import FILE`.")
    await catalog.indexes.sweep()
    bundle = bundle.install(catalog.models)
    encoder = Encoder(bundle)
    knowledge = knowledge_revision(entries)
    name = await _existing(catalog, bundle.revision, knowledge, encoder)
    if name is None:
        name = await _free_name(catalog, f"faq-{bundle.revision}-{knowledge}")
        await _build(catalog, _record(name, bundle, knowledge, entries), encoder, entries, progress)
    progress(len(entries), len(entries))
    await catalog.indexes.activate(name)
    await catalog.prune()
    return name


async def verify(index: Index, encoder: Encoder) -> None:
    """Raise IndexUnavailable unless the index holds what its record says and a sample of entries finds itself."""
    name, count = index.record.name, await index.count()
    if count != index.record.entries:
        raise IndexUnavailable(f"{name} holds {count} entries instead of {index.record.entries}.")
    sample = await index.sample(SAMPLE)
    if len(sample) < min(SAMPLE, count):
        raise IndexUnavailable(f"{name} does not give back the entries it holds.")
    for candidate in sample:
        if not await _finds_itself(index, encoder, candidate):
            raise IndexUnavailable(f"{name} does not find its entry {candidate.id} by its own text.")


async def _finds_itself(index: Index, encoder: Encoder, candidate: Candidate) -> bool:
    """By its first phrasing, or by its answer for a passage; ties with entries of the same text allowed."""
    phrasings = candidate.payload["phrasings"]
    side: Callable[[Candidate], Vectors] = (lambda one: one.questions) if phrasings else (lambda one: one.answer)
    text = phrasings[0] if phrasings else candidate.payload["answer"]
    vector = (encoder.questions([text]) if phrasings else encoder.answers([text])[0])[0]
    found = await index.search(vector, 10, {})
    own = float((side(candidate) @ vector).max())
    better = [one for one in found if len(side(one)) and float((side(one) @ vector).max()) >= own - TIE]
    return own >= float(vector @ vector) - TIE and (candidate.id in {one.id for one in found} or len(better) >= 10)


async def _existing(catalog: Catalog, bundle: str, knowledge: str, encoder: Encoder) -> str | None:
    """The newest whole release of this bundle and knowledge."""
    for record in reversed(await catalog.indexes.records()):
        if (record.bundle, record.knowledge) != (bundle, knowledge):
            continue
        try:
            await _verify_release(catalog, record.name, encoder)
        except FaqError:
            continue
        return record.name
    return None


async def _verify_release(catalog: Catalog, name: str, encoder: Encoder) -> None:
    index = await catalog.indexes.open(name)
    try:
        await verify(index, encoder)
    finally:
        await index.close()


async def _free_name(catalog: Catalog, name: str) -> str:
    taken = set(await catalog.indexes.names())
    suffixes = (f"-{number}" for number in range(2, len(taken) + 3))
    return next(name + suffix for suffix in ("", *suffixes) if name + suffix not in taken)


async def _build(
    catalog: Catalog, record: IndexRecord, encoder: Encoder, entries: Sequence[Entry], progress: Progress
) -> None:
    catalog.vectors.mkdir(parents=True, exist_ok=True)
    with CachedEncoder(encoder, catalog.vectors / f"{record.bundle}.db") as cached:
        await catalog.indexes.build(record, _batches(cached, entries, progress))
    try:
        await _verify_release(catalog, record.name, encoder)
    except FaqError:
        await catalog.indexes.drop(record.name)
        raise


def _batches(encoder: CachedEncoder, entries: Sequence[Entry], progress: Progress) -> Iterator[list[Candidate]]:
    for start in range(0, len(entries), BATCH):
        progress(start, len(entries))
        yield _candidates(encoder, entries[start : start + BATCH])


def _candidates(encoder: CachedEncoder, entries: Sequence[Entry]) -> list[Candidate]:
    answers = encoder.answers([entry.answer for entry in entries])
    phrasings = encoder.questions([phrasing for entry in entries for phrasing in entry.phrasings])
    rest = iter(phrasings)
    questions = [[next(rest) for _ in entry.phrasings] for entry in entries]
    none = np.empty((0, answers[0].shape[1]), dtype=np.float32)
    return [
        Candidate(entry.id, payload_of(entry), answer, np.concatenate([none, *vectors]))
        for entry, answer, vectors in zip(entries, answers, questions, strict=True)
    ]


def payload_of(entry: Entry) -> dict[str, object]:
    """All that an answer needs, so that answers come from the release and not from the store."""
    return {
        "id": entry.id,
        "question": entry.question,
        "phrasings": list(entry.phrasings),
        "answer": entry.answer,
        "metadata": entry.metadata,
    }


def _record(name: str, bundle: Bundle, knowledge: str, entries: Sequence[Entry]) -> IndexRecord:
    return IndexRecord(
        name=name,
        bundle=bundle.revision,
        knowledge=knowledge,
        entries=len(entries),
        dimension=bundle.manifest.encoding.dimension,
        created_at=datetime.now(UTC).isoformat(timespec="microseconds"),
        fields=fields_of(payload_of(entry) for entry in entries),
    )
