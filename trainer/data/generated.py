"""Generated queries as something to train on: the recipe `genq`, or any other.

Every passage is an entry and every query a phrasing of it, to be brought to the passage. Queries of one passage ask
different things, so that they are not brought to each other, as phrasings of a FAQ are.
"""

import logging
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from app.encoding.bundle import HeldOut
from app.errors import InputError
from app.knowledge.entry import Entry
from app.text.limits import ANSWER_LENGTH, QUESTION_LENGTH
from trainer.data import generated_parts as parts
from trainer.data.generated_parts import Asked, flat
from trainer.data.queries import Query
from trainer.data.training_set import (
    HELD_ENTRIES,
    HELD_ENTRIES_BOUNDS,
    Pair,
    TrainingSet,
    group_entries,
    order,
    refuse_unknown,
    resolver,
    separated,
    training_set,
)

log = logging.getLogger("trainer")


class Generated(NamedTuple):
    """What a run works on: the entries as they will be served, and the training set."""

    entries: list[Entry]
    training: TrainingSet


def read(generated: Path, entries: Sequence[Entry] | None, queries: Sequence[Query], seed: int) -> Generated:
    """Pairs from TSV files, for the passages themselves or for the entries of a FAQ. Raises InputError.

    Of the FAQ's own questions some are held out, as ever, and all labelled ones are: generated queries teach, real ones
    measure. Where there are none, a tenth of the passages spare one generated query each.
    """
    content = parts.read(generated)
    pairs = [
        pair for pair in content.pairs if len(pair.query) <= QUESTION_LENGTH and len(pair.passage) <= ANSWER_LENGTH
    ]
    skipped = len(content.skipped) + len(content.pairs) - len(pairs)
    if skipped:
        example = f", the first: {content.skipped[0]}" if content.skipped else ""
        log.warning(
            "%s: %d lines hold no pair, or one that is too long, and were skipped%s", generated, skipped, example
        )
    if not pairs:
        raise InputError(f"{generated} holds no line `query<TAB>passage`.", "data")
    if entries is None:
        entries = [Entry(answer=passage) for passage in dict.fromkeys(pair.passage for pair in pairs)]
    generated_pairs = _assigned(pairs, entries)
    return Generated(list(entries), _training_set(entries, generated_pairs, queries, seed))


def _assigned(pairs: Sequence[Asked], entries: Sequence[Entry]) -> dict[str, list[Asked]]:
    """The pairs of each entry, by its id: those of its answer, or of a part of it."""
    by_answer: dict[str, str] = {}
    for entry in entries:
        by_answer.setdefault(flat(entry.plain_answer), entry.id)
    assigned: dict[str, list[Asked]] = defaultdict(list)
    unmatched = 0
    entry_ids: dict[str, str | None] = {}
    for pair in dict.fromkeys(pairs):
        if pair.passage not in entry_ids:
            containing = (entry_id for answer, entry_id in by_answer.items() if pair.passage in answer)
            entry_ids[pair.passage] = by_answer.get(pair.passage) or next(containing, None)
        entry_id = entry_ids[pair.passage]
        if entry_id is None:
            unmatched += 1
        else:
            assigned[entry_id].append(pair)
    if not assigned:
        raise InputError("None of the generated queries is for an answer of the FAQ.", "generated")
    if unmatched:
        log.warning("%d generated queries are for no answer of the FAQ and were left out", unmatched)
    return assigned


def _training_set(
    entries: Sequence[Entry], generated: Mapping[str, Sequence[Asked]], queries: Sequence[Query], seed: int
) -> TrainingSet:
    real = training_set(entries, (), seed)
    phrased = [entry.model_copy(update={"alternatives": _texts(entry, generated)}) for entry in entries]
    groups = group_entries(phrased)  # a query of two passages makes one group of them
    heldout = [*real.heldout, *_resolved(queries, entries)]
    if all(question.faq_id is None for question in heldout):
        heldout += _held(entries, generated, seed)
        log.warning(
            "No real question is held out: generated ones choose the epoch and calibrate the confidence, which may "
            "come out too sure. Real questions, given with --queries, do better."
        )
    pairs = [pair._replace(group=groups[pair.group]) for pair in real.pairs]
    for entry, group in zip(entries, groups, strict=True):
        pairs += [Pair(pair.query, pair.passage, group) for pair in generated.get(entry.id, ())]
    return separated(pairs, heldout)


def _resolved(queries: Sequence[Query], entries: Sequence[Entry]) -> list[HeldOut]:
    find = resolver(entries)
    resolved = [(query, None if query.unanswerable else find(query)) for query in queries]
    refuse_unknown([query.question for query, positions in resolved if positions is not None and not positions])
    return [
        HeldOut(query.question, entries[positions[0]].id, entries[positions[0]].plain_answer)
        if positions
        else HeldOut(query.question, None)
        for query, positions in resolved
    ]


def _texts(entry: Entry, generated: Mapping[str, Sequence[Asked]]) -> tuple[str, ...]:
    return (*entry.alternatives, *(pair.query for pair in generated.get(entry.id, ())))


def _held(entries: Sequence[Entry], generated: Mapping[str, Sequence[Asked]], seed: int) -> list[HeldOut]:
    """One query each of a tenth of the passages, of those that have another one."""
    candidates = sorted(
        (name for name, pairs in generated.items() if len(pairs) > 1), key=lambda name: order(name, seed)
    )
    low, high = HELD_ENTRIES_BOUNDS
    count = min(high, max(low, round(HELD_ENTRIES * len(generated))))
    answers = {entry.id: entry.plain_answer for entry in entries}
    return [
        HeldOut(min((pair.query for pair in generated[name]), key=lambda text: order(text, seed)), name, answers[name])
        for name in candidates[:count]
    ]
