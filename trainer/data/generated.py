"""Training sets of generated queries, for the recipe `genq` or any other.

Every passage is an entry, and every query makes a pair with its passage. Unlike the phrasings of a FAQ, the queries of
one passage make no pairs with each other, because they ask different things.
"""

import logging
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from app.encoding.bundle import HeldOut
from app.errors import InputError
from app.knowledge.entry import Entry
from app.knowledge.queries import Query
from app.text.limits import ANSWER_LENGTH, QUESTION_LENGTH
from trainer.data import generated_parts as parts
from trainer.data.generated_parts import Asked, flat
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
    """The entries as they will be served, and the training set."""

    entries: list[Entry]
    training: TrainingSet


def read(generated: Path, entries: Sequence[Entry] | None, queries: Sequence[Query], seed: int) -> Generated:
    """The training set of TSV files, for the passages themselves or for the entries of a FAQ.

    Held out are all labelled questions and a share of the FAQ's own; see `training_set`. If there are none, one
    generated query is held out from each of a tenth of the passages. Raises InputError for files without pairs, or
    without a pair for the FAQ.
    """
    content = parts.read(generated)
    pairs = [
        pair for pair in content.pairs if len(pair.query) <= QUESTION_LENGTH and len(pair.passage) <= ANSWER_LENGTH
    ]
    skipped = len(content.skipped) + len(content.pairs) - len(pairs)
    if skipped:
        example = f", the first: {content.skipped[0]}" if content.skipped else ""
        log.warning(
            "%s: %d lines without a pair, or with one that is too long, were skipped%s", generated, skipped, example
        )
    if not pairs:
        raise InputError(f"{generated} has no line `query<TAB>passage` that can be used.", "data")
    if entries is None:
        entries = [Entry(answer=passage) for passage in dict.fromkeys(pair.passage for pair in pairs)]
    generated_pairs = _assigned(pairs, entries)
    return Generated(list(entries), _training_set(entries, generated_pairs, queries, seed))


def _assigned(pairs: Sequence[Asked], entries: Sequence[Entry]) -> dict[str, list[Asked]]:
    """The pairs of each entry, by its id: those whose passage is its answer, or a part of it."""
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
        raise InputError(
            "No generated query belongs to an answer of the FAQ. Were the queries generated from another FAQ?",
            "generated",
        )
    if unmatched:
        log.warning("%d generated queries belong to no answer of the FAQ and were left out", unmatched)
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
            "No real question is held out. Generated ones choose the epoch and calibrate the confidence, which may be "
            "too high. Give real questions with --queries."
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
    """One query each for a tenth of the passages, chosen among those with several queries."""
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
