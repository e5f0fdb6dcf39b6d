"""Findings about entries that were just saved: each by itself, and against the entries of the live release.

It takes milliseconds: the texts of a request are encoded together, at most CHECKED of them, and each is one search.
Only the whole lint compares the others, and entries that no release holds yet.
"""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

import numpy as np

from app.arrays import Vectors
from app.encoding.lengths import Lengths
from app.index.candidates import Candidate, Question
from app.index.hits import Hits
from app.index.protocol import Index
from app.index.words import answer_of
from app.knowledge.entry import Entry
from app.knowledge.flaws import unfit_follow_up
from app.lint.corpus import numbers_of
from app.lint.finding import Finding, Kind, finding, mention
from app.lint.linting import dead_follow_up, findings_of
from app.lint.similar import ALIKE, DIFFERENT, FINDS_OTHER, LEAD, NEAR, SAME, SAME_ANSWER
from app.text.normalize import normalize

CHECKED = 16  # texts of a request that are compared by meaning
SEARCHED = 5  # nearest entries by answer, by phrasing and by words

Encode = Callable[[Sequence[str]], Awaitable[Vectors]]


@dataclass(frozen=True)
class Live:
    """The live release: its index, its encoder for questions, and whether that also encodes answers."""

    index: Index
    encode: Encode
    encodes_answers: bool


class _Text(NamedTuple):
    """A text of an entry to search with. `own`: the greatest cosine with another question of the entry, or None."""

    entry: Entry
    text: str
    is_answer: bool
    vector: Vectors
    own: float | None = None


def own_findings(
    entry: Entry, now: datetime, follow_ups: Mapping[str, Entry], lengths: Lengths | None = None
) -> list[Finding]:
    """What is wrong with an entry by itself. `follow_ups`: those of its follow-ups that the store has, by id."""
    reasons = {name: unfit_follow_up(follow_ups.get(name), now) for name in entry.follow_ups}
    dead = [dead_follow_up(entry.id, name, reason) for name, reason in reasons.items() if reason]
    return [*findings_of(entry, now, None, lengths), *dead]


async def compared_findings(entries: Sequence[Entry], live: Live) -> dict[str, list[Finding]]:
    """By the id of each entry, what is wrong with it beside the entries of the live release.

    Raises IndexUnavailable.
    """
    texts = await _encoded(entries, live)
    found: dict[str, list[Finding]] = {entry.id: [] for entry in entries}
    for text, hits in zip(texts, await asyncio.gather(*(_searched(text, live) for text in texts)), strict=True):
        others = {place: entry for place, entry in enumerate(hits) if entry.id != text.entry.id}
        same = [place for place in others if place in hits.matches and hits.matches[place].same]
        compared = _by_answer(text, others.values()) if text.is_answer else _by_question(text, others, same)
        named = {item.kind for item in found[text.entry.id]}
        found[text.entry.id] += [item for item in compared if item.kind not in named]  # one of a kind is enough here
    return found


async def _encoded(entries: Sequence[Entry], live: Live) -> list[_Text]:
    wanted: list[tuple[Entry, str, bool]] = []
    for entry in entries:
        wanted += [(entry, text, False) for text in entry.phrasings]
        wanted += [(entry, entry.plain_answer, True)] if live.encodes_answers else []
        if len(wanted) >= CHECKED:
            break
    wanted = sorted(wanted[:CHECKED], key=lambda item: item[2])
    sides = [[text for _, text, answer in wanted if answer is side] for side in (False, True)]
    # Two calls, since a batch costs as much as its longest text times its size.
    vectors = np.concatenate(await asyncio.gather(*(live.encode(texts) for texts in sides if texts)))
    return [
        _Text(entry, text, is_answer, vectors[row], None if is_answer else _own(wanted, vectors, row))
        for row, (entry, text, is_answer) in enumerate(wanted)
    ]


def _own(wanted: Sequence[tuple[Entry, str, bool]], vectors: Vectors, row: int) -> float | None:
    """The greatest cosine of an alternative with another question of its entry; None for its first question."""
    entry, text, _ = wanted[row]
    if text == entry.phrasings[0]:
        return None
    own = [other for other, (its, _, answer) in enumerate(wanted) if its is entry and not answer and other != row]
    return max(_cosine(vectors[row], vectors[other]) for other in own)


async def _searched(text: _Text, live: Live) -> Hits:
    record = live.index.record
    question = Question(text.text, text.vector) if text.is_answer else record.question(text.text, text.vector)
    return await live.index.search(question, SEARCHED, {})


def _by_question(text: _Text, others: Mapping[int, Candidate], same: Collection[int]) -> list[Finding]:
    """`same`: which of the others have the text as a phrasing."""
    found: list[Finding] = []
    answers = {normalize(answer_of(others[place].payload)) for place in same}
    if answers - {normalize(text.entry.plain_answer)}:
        mentions = [mention(entry_id, text.text) for entry_id in (text.entry.id, *(others[place].id for place in same))]
        found.append(finding("different_answers", DIFFERENT.format(count=len(mentions)), mentions))
    unlike = [other for place, other in others.items() if not (found and place in same)]
    nearest = [near for other in unlike if (near := _nearest(text, other))]
    if not nearest:
        return found
    best = max(nearest, key=lambda near: near[0])
    if best[0] >= ALIKE:
        found.append(_finding("duplicate_questions", SAME, text, [near for near in nearest if near[0] >= ALIKE]))
    elif text.own is not None and best[0] - text.own >= LEAD:
        found.append(_finding("finds_other", FINDS_OTHER, text, [best]))
    return found


def _by_answer(text: _Text, others: Collection[Candidate]) -> list[Finding]:
    numbers, alike = numbers_of(text.text), []
    for other in others:
        answer, mean = answer_of(other.payload), other.answer.mean(axis=0)
        cosine = 1.0 if normalize(answer) == normalize(text.text) else _cosine(text.vector, mean)
        if cosine >= ALIKE and numbers_of(answer) == numbers:
            alike.append((cosine, other.id, answer))
    return [_finding("duplicate_answers", SAME_ANSWER, text, alike)] if alike else []


def _nearest(text: _Text, other: Candidate) -> tuple[float, str, str] | None:
    """The cosine of the entry's nearest question of the same numbers, its id and that question; None below NEAR."""
    numbers, phrasings = numbers_of(text.text), other.payload["phrasings"]
    cosines = other.questions @ text.vector / max(1e-12, float(np.linalg.norm(text.vector)))
    for place in np.argsort(-cosines, kind="stable"):
        if cosines[place] < NEAR:
            return None
        if numbers_of(phrasings[place]) == numbers:
            return float(cosines[place]), other.id, phrasings[place]
    return None


def _finding(kind: Kind, message: str, text: _Text, others: list[tuple[float, str, str]]) -> Finding:
    others = sorted(others, reverse=True)
    mentions = [mention(text.entry.id, text.text), *(mention(entry_id, its) for _, entry_id, its in others)]
    return finding(kind, message.format(count=len(mentions)), mentions, others[0][0])


def _cosine(first: Vectors, second: Vectors) -> float:
    return float(first @ second / max(1e-12, float(np.linalg.norm(first) * np.linalg.norm(second))))
