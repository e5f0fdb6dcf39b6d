"""Findings by comparing entries: one question with different answers, near-duplicates, phrasings that find another.

The thresholds are cosines, chosen by reading pairs of real FAQs: see docs/log.md.
"""

from collections import defaultdict
from collections.abc import Iterator, Sequence

import numpy as np

from app.lint.corpus import Corpus, Text
from app.lint.finding import Finding, Kind, finding, mention
from app.lint.neighbours import Integers8, Pairs, Places, nearest_of_others

ALIKE = 0.9  # questions or answers that mean the same
NEAR, LEAD = 0.75, 0.15  # a question that is at least NEAR to another entry, and LEAD nearer than to its own

DIFFERENT = "{count} entries have this question, with different answers."
SAME = "{count} entries ask nearly the same."
SAME_ANSWER = "{count} entries have nearly the same answer."
FINDS_OTHER = "This alternative is nearer to a question of another entry than to those of its own."


def different_answers(corpus: Corpus) -> Iterator[Finding]:
    """Each question that several entries with different answers have, in its normal form."""
    for holders in _contradictions(corpus).values():
        mentions = [mention(corpus.ids[text.owner], text.short) for text in holders]
        yield finding("different_answers", DIFFERENT.format(count=len(holders)), mentions)


def _contradictions(corpus: Corpus) -> dict[int, list[Text]]:
    """By the hash of their normal form, the phrasings of entries with different answers; one phrasing an entry."""
    by_text: dict[int, dict[int, Text]] = defaultdict(dict)
    for text in corpus.phrasings:
        by_text[text.same].setdefault(text.owner, text)
    return {
        same: list(holders.values())
        for same, holders in by_text.items()
        if len({corpus.answers[owner].same for owner in holders}) > 1
    }


def similar_questions(corpus: Corpus) -> Iterator[Finding]:
    """Entries that ask nearly the same, and phrasings that are nearer to another entry."""
    vectors, texts = corpus.phrasing_vectors, corpus.phrasings
    pairs = nearest_of_others(vectors, corpus.owners, NEAR)
    contradictions = _contradictions(corpus)
    alike = [
        (row, other, cosine)
        for row, other, cosine in _above(pairs, ALIKE)
        if texts[row].may_equal(texts[other])
        and (texts[row].same != texts[other].same or texts[row].same not in contradictions)
    ]
    yield from _groups("duplicate_questions", SAME, corpus, texts, alike)
    named = {texts[row].owner for row, _, _ in alike}
    yield from _finding_other(corpus, vectors, pairs, named)


def similar_answers(corpus: Corpus) -> Iterator[Finding]:
    """Entries with nearly the same answer."""
    texts = corpus.answers
    pairs = nearest_of_others(corpus.answer_vectors, np.arange(len(texts)), ALIKE)
    alike = [(row, other, cosine) for row, other, cosine in _above(pairs, ALIKE) if texts[row].may_equal(texts[other])]
    yield from _groups("duplicate_answers", SAME_ANSWER, corpus, texts, alike)


def _above(pairs: Pairs, least: float) -> Iterator[tuple[int, int, float]]:
    chosen = pairs.cosines >= least
    yield from zip(*(part[chosen].tolist() for part in pairs), strict=True)


def _groups(
    kind: Kind, message: str, corpus: Corpus, texts: Sequence[Text], alike: Sequence[tuple[int, int, float]]
) -> Iterator[Finding]:
    """Findings of entries around a first one, which every other one is like: no chains of entries that drift away."""
    neighbours: dict[int, dict[int, tuple[float, int, int]]] = defaultdict(dict)
    for row, other, cosine in alike:
        for first, second in ((row, other), (other, row)):
            near = neighbours[texts[first].owner]
            owner = texts[second].owner
            near[owner] = max(near.get(owner, (0.0, 0, 0)), (cosine, first, second))
    named: set[int] = set()
    for owner in sorted(neighbours):
        near = neighbours[owner]
        if owner in named:
            continue
        named.update((owner, *near))
        order = sorted(near, key=lambda other: (-near[other][0], other))
        cosine, own, _ = near[order[0]]
        mentions = [mention(corpus.ids[owner], texts[own].short)]
        mentions += [mention(corpus.ids[other], texts[near[other][2]].short) for other in order]
        yield finding(kind, message.format(count=len(mentions)), mentions, cosine)


def _finding_other(corpus: Corpus, vectors: Integers8, pairs: Pairs, named: set[int]) -> Iterator[Finding]:
    """Alternatives that are nearer to another entry, of entries that are no duplicates. One finding an entry."""
    first = np.ones(len(pairs.rows), dtype=bool)
    first[1:] = pairs.rows[1:] != pairs.rows[:-1]
    owners, done = corpus.owners, set(named)
    for row, other, cosine in zip(*(part[first].tolist() for part in pairs), strict=True):
        text, second = corpus.phrasings[row], corpus.phrasings[other]
        if text.owner in done or text.same == second.same or not text.may_equal(second):
            continue
        own = _nearest_own(vectors, owners, row)
        if own is not None and cosine - own >= LEAD:
            done.add(text.owner)
            mentions = [mention(corpus.ids[phrasing.owner], phrasing.short) for phrasing in (text, second)]
            yield finding("finds_other", FINDS_OTHER, mentions, cosine)


def _nearest_own(vectors: Integers8, owners: Places, row: int) -> float | None:
    """The greatest cosine of an alternative with another phrasing of its entry; None for its first phrasing."""
    start, end = np.searchsorted(owners, owners[row], "left"), np.searchsorted(owners, owners[row], "right")
    if row == start:
        return None
    unit = vectors[start:end].astype(np.float32)
    unit /= np.maximum(np.linalg.norm(unit, axis=1, keepdims=True), 1)
    return float(np.delete(unit @ unit[row - start], row - start).max())
