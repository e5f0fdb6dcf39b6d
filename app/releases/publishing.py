"""Publishes a release: builds an index of knowledge and bundle, verifies and activates it.

If the process is killed at any moment, the old release continues to serve.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from itertools import islice
from typing import Any

import numpy as np

from app.arrays import Vectors
from app.encoding.bundle import Bundle
from app.encoding.encoder import Encoder
from app.errors import FaqError, NotReady
from app.index.candidates import Candidate
from app.index.filters import fields_of
from app.index.protocol import IndexRecord
from app.index.words import answer_of, average_length, text_of
from app.knowledge.entry import Entry, knowledge_revision
from app.ranking.ranking import Ranking
from app.releases.catalog import Catalog
from app.releases.gate import Gate
from app.releases.measuring import measure
from app.releases.vector_cache import CachedEncoder
from app.releases.verifying import verify
from app.settings import Settings
from app.text.identifiers import common_identifiers
from app.text.markup import VERSION as PLAIN_TEXT

BATCH = 64  # entries encoded and written at a time

Progress = Callable[[int, int], None]  # done, total, in entries; may raise to stop


async def publish(
    catalog: Catalog,
    bundle: Bundle,
    entries: Sequence[Entry],
    progress: Progress = lambda done, total: None,
    gate: Gate | None = None,
) -> str:
    """Build, verify and activate the release of `bundle` and `entries`; returns its name.

    The caller holds the writer's lock. An existing intact release is activated as it is; a damaged one is rebuilt under
    a name with a suffix. `gate`: measures it on the golden questions first. Raises NotReady without entries,
    IndexUnavailable if the new index does not find its entries, Blocked if it breaks golden questions.
    """
    if not entries:
        raise NotReady("There are no live entries to answer from. Import some first: `python -m app import FILE`.")
    await catalog.indexes.sweep()
    bundle = bundle.install(catalog.models)
    encoder = Encoder(bundle)
    record = record_of(bundle, entries, catalog.settings)
    name = await _existing(catalog, record, encoder)
    if name is None:
        record = record.model_copy(update={"name": await _free_name(catalog, record.name)})
        await _build(catalog, record, encoder, entries, progress)
        name = record.name
    await measure(catalog, name, bundle, encoder, [payload_of(entry) for entry in entries])
    blocked = gate and await gate.check(catalog, name, lambda: progress(len(entries) - 1, len(entries)))
    if not blocked:
        progress(len(entries), len(entries))
        await catalog.indexes.activate(name)
    await catalog.prune(await gate.kept() if gate else ())
    if blocked:
        raise blocked
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
        await catalog.indexes.build(record, batches(cached, entries, progress))
    try:
        await _verify_release(catalog, record.name, encoder)
    except FaqError:
        await catalog.indexes.drop(record.name)
        raise


def batches(
    encoder: CachedEncoder, entries: Sequence[Entry], progress: Progress = lambda done, total: None
) -> Iterator[list[Candidate]]:
    """The entries as candidates to index, in batches of BATCH; reports the progress before each."""
    questions = {entry.id: entry.question for entry in entries if entry.question}
    for start in range(0, len(entries), BATCH):
        progress(start, len(entries))
        yield _candidates(encoder, entries[start : start + BATCH], questions)


def _candidates(encoder: CachedEncoder, entries: Sequence[Entry], questions: Mapping[str, str]) -> list[Candidate]:
    dimension = encoder.dimension
    payloads = [payload_of(entry, questions) for entry in entries]
    answers = encoder.encode_documents([answer_of(payload) for payload in payloads])
    phrasings = iter(encoder.encode_queries([text for entry in entries for text in entry.phrasings]))
    negatives = iter(encoder.encode_queries([text for entry in entries for text in entry.negatives]))
    return [
        Candidate(
            entry.id,
            payload,
            answer,
            _stacked(phrasings, len(entry.phrasings), dimension),
            _stacked(negatives, len(entry.negatives), dimension),
        )
        for entry, payload, answer in zip(entries, payloads, answers, strict=True)
    ]


def _stacked(vectors: Iterator[Vectors], count: int, dimension: int) -> Vectors:
    """The next `count` of the (1, dimension) vectors, as (count, dimension)."""
    return np.concatenate([np.empty((0, dimension), dtype=np.float32), *islice(vectors, count)])


def payload_of(entry: Entry, questions: Mapping[str, str] | None = None) -> dict[str, Any]:
    """All fields that an answer needs, so that answers come from the release and not from the store.

    `questions`: the question of every entry of the release, by id; follow-ups without one are left out. `plain_answer`
    is present only if it differs from the answer, `follow_ups` only if there are any.
    """
    plain = entry.plain_answer
    follow_ups = [
        {"faq_id": name, "question": questions[name]} for name in entry.follow_ups if questions and name in questions
    ]
    return {
        "id": entry.id,
        "question": entry.question,
        "phrasings": list(entry.phrasings),
        "negatives": list(entry.negatives),
        "answer": entry.answer,
        "metadata": entry.metadata,
        **({} if plain == entry.answer else {"plain_answer": plain}),
        **({"follow_ups": follow_ups} if follow_ups else {}),
    }


def record_of(bundle: Bundle, entries: Sequence[Entry], settings: Settings) -> IndexRecord:
    """The record of a new index of these entries: its name, contents and ranking settings."""
    knowledge, ranking = knowledge_revision(entries), Ranking.of(bundle)
    payloads = [payload_of(entry) for entry in entries]
    return IndexRecord(
        name=f"faq-{bundle.revision}-{knowledge}",
        bundle=bundle.revision,
        knowledge=knowledge,
        entries=len(entries),
        dimension=bundle.manifest.encoding.dimension,
        created_at=datetime.now(UTC).isoformat(timespec="microseconds"),
        fields=fields_of(payloads),
        language=settings.language.lower(),
        average_length=average_length(text_of(payload) for payload in payloads),
        plain_text=PLAIN_TEXT if any("plain_answer" in payload for payload in payloads) else 0,
        target_precision=settings.target_precision or ranking.target_precision,
        offer_precision=settings.offer_precision or ranking.offer_precision,
        unanswerable_share=settings.unanswerable_share or ranking.unanswerable_share,
        common_identifiers=common_identifiers(text_of(payload) for payload in payloads),
    )
