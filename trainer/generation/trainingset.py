"""Generated queries as something to train on: the recipe `genq`, or any other.

Every passage is an entry and every query a phrasing of it, to be brought to the passage. Queries of one passage ask
different things, so that they are not brought to each other, as phrasings of a FAQ are.
"""

import logging
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from app.errors import InputError
from app.knowledge.entry import Entry
from app.knowledge.queries import Query
from app.knowledge.text import ANSWER_LENGTH, QUESTION_LENGTH
from app.retrieval.bundle import HeldOut
from trainer.data import (
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
from trainer.generation import parts
from trainer.generation.parts import Asked, flat

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
    found = parts.read(generated)
    pairs = [one for one in found.pairs if len(one.query) <= QUESTION_LENGTH and len(one.passage) <= ANSWER_LENGTH]
    skipped = len(found.skipped) + len(found.pairs) - len(pairs)
    if skipped:
        example = f", the first: {found.skipped[0]}" if found.skipped else ""
        log.warning(
            "%s: %d lines hold no pair, or one that is too long, and were skipped%s", generated, skipped, example
        )
    if not pairs:
        raise InputError(f"{generated} holds no line `query<TAB>passage`.", "data")
    if entries is None:
        entries = [Entry(answer=passage) for passage in dict.fromkeys(one.passage for one in pairs)]
    asked = _assigned(pairs, entries)
    return Generated(list(entries), _training_set(entries, asked, queries, seed))


def _assigned(pairs: Sequence[Asked], entries: Sequence[Entry]) -> dict[str, list[Asked]]:
    """The pairs of each entry, by its id: those of its answer, or of a part of it."""
    whole: dict[str, str] = {}
    for entry in entries:
        whole.setdefault(flat(entry.plain_answer), entry.id)
    asked: dict[str, list[Asked]] = defaultdict(list)
    lost = 0
    at: dict[str, str | None] = {}
    for one in dict.fromkeys(pairs):
        if one.passage not in at:
            inside = (name for answer, name in whole.items() if one.passage in answer)
            at[one.passage] = whole.get(one.passage) or next(inside, None)
        name = at[one.passage]
        if name is None:
            lost += 1
        else:
            asked[name].append(one)
    if not asked:
        raise InputError("None of the generated queries is for an answer of the FAQ.", "generated")
    if lost:
        log.warning("%d generated queries are for no answer of the FAQ and were left out", lost)
    return asked


def _training_set(
    entries: Sequence[Entry], asked: Mapping[str, Sequence[Asked]], queries: Sequence[Query], seed: int
) -> TrainingSet:
    real = training_set(entries, (), seed)
    phrased = [entry.model_copy(update={"alternatives": _texts(entry, asked)}) for entry in entries]
    groups = group_entries(phrased)  # a query of two passages makes one group of them
    heldout = [*real.heldout, *_resolved(queries, entries)]
    if all(one.faq_id is None for one in heldout):
        heldout += _held(entries, asked, seed)
        log.warning(
            "No real question is held out: generated ones choose the epoch and calibrate the confidence, which may "
            "come out too sure. Real questions, given with --queries, do better."
        )
    pairs = [pair._replace(group=groups[pair.group]) for pair in real.pairs]
    for entry, group in zip(entries, groups, strict=True):
        pairs += [Pair(one.query, one.passage, group) for one in asked.get(entry.id, ())]
    return separated(pairs, heldout)


def _resolved(queries: Sequence[Query], entries: Sequence[Entry]) -> list[HeldOut]:
    find = resolver(entries)
    found = [(query, None if query.unanswerable else find(query)) for query in queries]
    refuse_unknown([query.question for query, at in found if at is not None and not at])
    return [
        HeldOut(query.question, entries[at[0]].id, entries[at[0]].plain_answer) if at else HeldOut(query.question, None)
        for query, at in found
    ]


def _texts(entry: Entry, asked: Mapping[str, Sequence[Asked]]) -> tuple[str, ...]:
    return (*entry.alternatives, *(one.query for one in asked.get(entry.id, ())))


def _held(entries: Sequence[Entry], asked: Mapping[str, Sequence[Asked]], seed: int) -> list[HeldOut]:
    """One query each of a tenth of the passages, of those that have another one."""
    able = sorted((name for name, some in asked.items() if len(some) > 1), key=lambda name: order(name, seed))
    low, high = HELD_ENTRIES_BOUNDS
    count = min(high, max(low, round(HELD_ENTRIES * len(asked))))
    answers = {entry.id: entry.plain_answer for entry in entries}
    return [
        HeldOut(min((one.query for one in asked[name]), key=lambda text: order(text, seed)), name, answers[name])
        for name in able[:count]
    ]
