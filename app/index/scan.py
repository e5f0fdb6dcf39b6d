"""Search by vectors and by words: the best entries of a publish and of the increments above it, as one index.

The vectors are compared in 8 bits. The products are integers, so the result for a question does not depend on the
questions beside it. The ranking compares the entries of the result again, in full precision.
"""

from collections.abc import Collection, Sequence
from typing import NamedTuple

import numpy as np

from app.arrays import Flags, Integers, Vectors
from app.index.candidates import Question
from app.index.nearest import Compared, Nearest, Part, best_of, top_positive
from app.index.postings import Postings
from app.index.words import WordTokenizer

LIMIT = 100_000  # vectors of a publish that are all compared with a question; more are searched by an inverted file
ANSWERS, PHRASINGS = 0, 1


class Searched(NamedTuple):
    """The vectors and the words of the same entries."""

    part: Part
    postings: Postings


class Scan:
    """Several sets of entries as one index: their entries are numbered through, and some of these are hidden.

    Threads may share it.
    """

    def __init__(self, parts: Sequence[Searched], tokenizer: WordTokenizer, hidden: Collection[int] = ()) -> None:
        """`hidden`: numbers of entries that are not found."""
        self._parts = parts
        self._tokenizer = tokenizer
        self._firsts = np.cumsum([0, *(of_part.part.entries for of_part in parts)]).tolist()
        self._shown: Flags | None = None
        if hidden:
            self._shown = np.ones(self._firsts[-1], dtype=bool)
            self._shown[list(hidden)] = False

    def nearest(
        self,
        questions: Sequence[Question],
        limits: Sequence[int],
        groups: Sequence[Sequence[Sequence[int]]] | None = None,
        allowed: Sequence[Flags | None] | None = None,
    ) -> list[tuple[Integers, Vectors]]:
        """For each question the best entries by answer, by phrasing and by words, ascending, and the BM25 of each.

        `limits`: how many of each of the three kinds, for each question. `groups`: for each question groups of entries,
        of each of which all are returned, or as many as the limit says, the best by answer. `allowed`: for each
        question the entries that may be returned, (entries,), or None for all.
        """
        vectors = np.stack([question.vector for question in questions])
        compared = zip(*(of_part.part.compare(vectors) for of_part in self._parts), strict=True)
        groups = groups or [()] * len(questions)
        allowed = allowed or [None] * len(questions)
        return [self._best_entries(*row) for row in zip(questions, compared, limits, groups, allowed, strict=True)]

    def _best_entries(
        self,
        question: Question,
        compared: Sequence[Compared],
        limit: int,
        groups: Sequence[Sequence[int]],
        allowed: Flags | None,
    ) -> tuple[Integers, Vectors]:
        if self._shown is not None:
            allowed = self._shown if allowed is None else self._shown & allowed
        words = self._tokenizer.question(question.text)
        scores = [of_part.postings.scores(words) for of_part in self._parts]
        lexical = scores[0] if len(scores) == 1 else np.concatenate(scores)
        if allowed is not None:
            lexical *= allowed
        by_words = top_positive(lexical, limit)
        entries = [self._nearest(compared, side, limit, allowed).entries for side in (ANSWERS, PHRASINGS)]
        entries += [self._best_of_group(compared, np.array(group), limit, allowed) for group in groups]
        merged = set(by_words.tolist()).union(*(of_kind.tolist() for of_kind in entries))
        chosen = np.array(sorted(merged), dtype=np.int64)  # in half the time of `np.unique`
        return chosen, lexical[chosen]

    def _best_of_group(
        self, compared: Sequence[Compared], group: Integers, limit: int, allowed: Flags | None
    ) -> Integers:
        if allowed is not None:
            group = group[allowed[group]]
        if len(group) <= limit:
            return group
        of_group = np.zeros(self._firsts[-1], dtype=bool)
        of_group[group] = True
        return self._nearest(compared, ANSWERS, limit, of_group).entries

    def _nearest(self, compared: Sequence[Compared], side: int, limit: int, allowed: Flags | None) -> Nearest:
        results = []
        for row, first, end in zip(compared, self._firsts, self._firsts[1:], strict=False):
            entries, scores = row.nearest(side, limit, None if allowed is None else allowed[first:end])
            results.append(Nearest(entries + first, scores))
        return best_of(results, limit)
