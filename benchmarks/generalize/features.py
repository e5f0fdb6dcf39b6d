"""What a state of a model makes of a set's questions: the candidates and their similarities, kept on disk.

The questions of a cell are, one after the other: the set's real ones, the held-out phrasings, the out-of-scope bank.
Ranking and confidence are chosen from these alone; nothing is trained for it.
"""

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from app.encoding.bundle import HeldOut
from app.knowledge.entry import Entry
from app.text.normalize import normalize
from benchmarks.generalize.sets import Faq, bank
from trainer.data.training_set import TrainingSet, training_set

NEAREST = 10  # by phrasings and by answers each
CANDIDATES = 22  # kept of each question
MOST_RIGHT = 4
NONE = 65535
MOST_HELDOUT = 500
Floats = NDArray[np.float32]
Encode = Callable[[Sequence[str]], Floats]


class State(NamedTuple):
    """Of each question: candidates (n, CANDIDATES) with their similarities, and figures of all entries."""

    entry: NDArray[np.uint16]
    answer: NDArray[np.float16]
    phrasing: NDArray[np.float16]
    negative: NDArray[np.float16]
    crowd: NDArray[np.float16]  # (n, 4): mean and deviation over all entries, of answers and of phrasings
    bank: NDArray[np.float16]  # (n, kinds): the nearest of the bank's questions, itself excluded


@dataclass(frozen=True)
class Questions:
    """What is asked of a cell, and what is right."""

    texts: list[str]
    right: list[frozenset[int]]  # positions among the entries asked; none: nothing
    real: int
    heldout: int

    @property
    def bank(self) -> int:
        """How many are of the bank."""
        return len(self.texts) - self.real - self.heldout


def questions_of(faq: Faq, training: TrainingSet) -> Questions:
    """All questions of a cell."""
    real = [(query.question, _right(faq.served, query.faq_id)) for query in faq.queries]
    held: Sequence[HeldOut] = training.heldout[:MOST_HELDOUT]
    heldout = [(one.question, _right(faq.trained, one.faq_id)) for one in held]
    strange: list[tuple[str, frozenset[int]]] = [(text, frozenset()) for text in bank()[0]]
    every = real + heldout + strange
    return Questions([text for text, _ in every], [right for _, right in every], len(real), len(heldout))


def _right(entries: Sequence[Entry], name: str | None) -> frozenset[int]:
    if name is None:
        return frozenset()
    answers = {entry.id: entry.answer for entry in entries}
    return frozenset(i for i, entry in enumerate(entries) if entry.answer == answers[name])


def digest_of(faq: Faq, questions: Questions) -> str:
    """A digest of the questions, what is right, and the texts of all entries: features fit these alone."""
    entries = [[[entry.answer, *entry.phrasings], entry.negatives] for entry in (*faq.served, *faq.trained)]
    right = [sorted(own) for own in questions.right]
    parts = [questions.texts, right, questions.real, questions.heldout, len(faq.served), entries]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


def split_of(faq: Faq, seed: int) -> TrainingSet:
    """What is trained on and held out of a set."""
    return training_set(faq.trained, (), seed)


class Texts:
    """Every text of a cell once, and where each stands."""

    def __init__(self, faq: Faq, questions: Questions) -> None:
        self.faq, self.questions = faq, questions
        entries = [*faq.served, *faq.trained]
        texts = [text for entry in entries for text in (entry.answer, *entry.phrasings, *entry.negatives)]
        self.all = list(dict.fromkeys([*texts, *questions.texts]))
        self._place = {text: i for i, text in enumerate(self.all)}

    def state(self, vectors: Floats) -> State:
        """The candidates of every question, by unit vectors of `all`, (texts, dimension)."""
        q, real, held = self.questions, self.questions.real, self.questions.heldout
        parts = [
            self._candidates(vectors, self.faq.served, range(real), False),
            self._candidates(vectors, self.faq.trained, range(real, real + held), True),
            self._candidates(vectors, self.faq.served, range(real + held, len(q.texts)), False),
        ]
        entry, answer, phrasing, negative, crowd = (np.concatenate(column) for column in zip(*parts, strict=True))
        return State(entry, answer, phrasing, negative, crowd, self._bank(vectors))

    def _rows(self, vectors: Floats, texts: Sequence[str]) -> Floats:
        return vectors[[self._place[text] for text in texts]]

    def _candidates(
        self, vectors: Floats, entries: Sequence[Entry], numbers: range, without: bool
    ) -> tuple[NDArray[np.generic], ...]:
        texts = [self.questions.texts[i] for i in numbers]
        asked = self._rows(vectors, texts) if texts else vectors[:0]
        answer = asked @ self._rows(vectors, [entry.answer for entry in entries]).T
        phrasing = self._best(vectors, asked, texts, [list(entry.phrasings) for entry in entries], without)
        negative = self._best(vectors, asked, texts, [list(entry.negatives) for entry in entries], False)
        right = [self.questions.right[i] for i in numbers]
        for row, own in enumerate(right):
            if own and without and not np.isfinite(phrasing[row, list(own)]).any():
                phrasing[row] = -np.inf  # compared with answers alone
        phrasing = np.where(np.isfinite(phrasing), phrasing, answer)
        chosen = _chosen(answer, phrasing, right)
        rows = np.arange(len(texts))[:, None]
        columns = np.where(chosen == NONE, 0, chosen)
        crowd = np.stack([answer.mean(1), answer.std(1), phrasing.mean(1), phrasing.std(1)], axis=1)
        picked = (one[rows, columns].astype(np.float16) for one in (answer, phrasing, negative))
        return (chosen, *picked, crowd.astype(np.float16))

    def _best(
        self, vectors: Floats, asked: Floats, texts: Sequence[str], groups: list[list[str]], without: bool
    ) -> Floats:
        """The nearest text of each group, (questions, groups); -inf where it has none."""
        best = np.full((len(texts), len(groups)), -np.inf, dtype=np.float32)
        flat = [text for group in groups for text in group]
        if not flat or not texts:
            return best
        similarity = asked @ self._rows(vectors, flat).T
        if without:
            keys = np.array([normalize(text) for text in flat])
            for row, text in enumerate(texts):
                similarity[row, keys == normalize(text)] = -np.inf
        filled = np.array([i for i, group in enumerate(groups) if group])
        counts = np.array([len(groups[i]) for i in filled])
        best[:, filled] = np.maximum.reduceat(similarity, np.cumsum(counts) - counts, axis=1)
        return best

    def _bank(self, vectors: Floats) -> NDArray[np.float16]:
        texts, kinds = bank()
        similarity = self._rows(vectors, self.questions.texts) @ self._rows(vectors, texts).T
        for row, text in enumerate(self.questions.texts):
            similarity[row, [i for i, other in enumerate(texts) if other == text]] = -2
        names = list(dict.fromkeys(kinds))
        columns = [[i for i, kind in enumerate(kinds) if kind == name] for name in names]
        return np.stack([similarity[:, some].max(axis=1) for some in columns], axis=1).astype(np.float16)


def _chosen(answer: Floats, phrasing: Floats, right: Sequence[frozenset[int]]) -> NDArray[np.uint16]:
    """The nearest by answers and by phrasings, and what is right, (questions, CANDIDATES); NONE fills up."""
    chosen = np.full((len(answer), CANDIDATES), NONE, dtype=np.uint16)
    nearest = min(NEAREST, answer.shape[1])
    for row, own in enumerate(right):
        kept = dict.fromkeys(sorted(own)[:MOST_RIGHT])
        for similarity in (phrasing[row], answer[row]):
            top = np.argpartition(-similarity, nearest - 1)[:nearest]
            kept |= dict.fromkeys(top[np.argsort(-similarity[top], kind="stable")].tolist())
        some = list(kept)[:CANDIDATES]
        chosen[row, : len(some)] = some
    return chosen
