"""A cell's features, read from the cache, with the words and what is right: ready to rank."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from app.ranking.defaults import QUESTION_WEIGHT
from app.ranking.scored import Scored
from app.text.normalize import normalize
from benchmarks.generalize.features import NONE, Questions, digest_of, questions_of, split_of
from benchmarks.generalize.sets import Faq, faq
from benchmarks.generalize.training import BASE, Cell
from benchmarks.generalize.words import words_of
from trainer.evaluation.weights import MANY_PHRASINGS, MANY_WEIGHT

NEGATIVE_WEIGHT = 2.0
Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]


@dataclass(frozen=True)
class State:
    """What one model makes of a cell's questions: candidates, (questions, candidates) all; absent ones score -inf."""

    entry: NDArray[np.int64]
    present: Flags
    answer: Floats
    phrasing: Floats
    negative: Floats
    words: Floats
    right: Flags
    exact: Flags  # a phrasing is the question itself

    def scores(self, question_weight: float, lexical_weight: float) -> Floats:
        """As `Ranking.scores` has it."""
        score = question_weight * self.phrasing + (1 - question_weight) * self.answer + lexical_weight * self.words
        nearer = np.maximum(self.negative - np.maximum(self.answer, self.phrasing), 0.0)
        return np.where(self.present, score - NEGATIVE_WEIGHT * nearer, -np.inf)

    def reciprocal_ranks(self, scores: Floats) -> Floats:
        """Of each question's best right candidate, (questions,), a verbatim phrasing first; 0 where there is none."""
        placed = np.where(self.exact, scores + 10.0, scores)
        best = np.where(self.right, placed, -np.inf).max(axis=1)
        places = 1 + (placed > best[:, None]).sum(axis=1)
        return np.where(np.isfinite(best), 1.0 / places, 0.0)


class Outdated(Exception):
    """The cache holds a cell's features for other questions than today's."""


class Features:
    """A cell with all states of its models."""

    def __init__(self, cell: Cell, cache: Path) -> None:
        """Read the cell from the cache. Raises Outdated if its questions have changed since it was trained."""
        self.cell = cell
        self.faq: Faq = faq(*cell)
        self._training = split_of(self.faq, cell.seed)
        self.questions: Questions = questions_of(self.faq, self._training)
        if not cell.fits(cache, digest_of(self.faq, self.questions)):
            raise Outdated(
                f"{cell.path(cache)} was made for other questions or entries than today's. Train the cell again "
                f"with `python -m benchmarks.generalize train --cache {cache}`, which makes outdated cells alone."
            )
        with np.load(cell.path(cache)) as file:
            self._arrays = {name: file[name] for name in file.files}
        self._known: dict[str, State] = {}

    @property
    def refused(self) -> str | None:
        """Why training refused the set, if it did."""
        return self._training.too_small

    @cached_property
    def real(self) -> NDArray[np.int64]:
        """The positions of real questions."""
        return np.arange(self.questions.real)

    @cached_property
    def heldout(self) -> NDArray[np.int64]:
        """The positions of held-out phrasings."""
        return self.questions.real + np.arange(self.questions.heldout)

    @cached_property
    def bank(self) -> NDArray[np.int64]:
        """The positions of the out-of-scope bank's questions."""
        return self.questions.real + self.questions.heldout + np.arange(self.questions.bank)

    @cached_property
    def answerable(self) -> Flags:
        """(questions,)."""
        return np.array([bool(right) for right in self.questions.right])

    @cached_property
    def about(self) -> NDArray[np.int64]:
        """(questions,): the entry that each is about; a question that nothing answers is about itself."""
        size = len(self.faq.served) + len(self.faq.trained)
        return np.array([min(right, default=size + i) for i, right in enumerate(self.questions.right)])

    @cached_property
    def usual_weight(self) -> float:
        """The default weight of phrasings."""
        counts = [len(entry.phrasings) for entry in self.faq.trained]
        return MANY_WEIGHT if float(np.mean(counts)) >= MANY_PHRASINGS else QUESTION_WEIGHT

    def state(self, name: str) -> State:
        """One state; the base model's where training refused."""
        name = name if f"{name}/entry" in self._arrays else BASE
        if name not in self._known:
            self._known[name] = self._state(name)
        return self._known[name]

    def scored(self, state: State, scores: Floats, rows: NDArray[np.int64]) -> list[Scored]:
        """Some questions as calibration takes them, best first."""
        found = []
        for row in rows.tolist():
            order = np.argsort(-scores[row], kind="stable")
            order = order[np.isfinite(scores[row, order])]
            answers = self._answers(row)[state.entry[row, order]]
            name = f"{self.about[row]}"
            found.append(Scored(scores[row, order], answers, state.right[row, order], name, bool(self.answerable[row])))
        return found

    @cached_property
    def _words(self) -> NDArray[np.float16]:
        words: NDArray[np.float16] = words_of(self.faq, self.questions)[0]
        return words

    def _answers(self, row: int) -> NDArray[np.int64]:
        """A number for the answer of each entry that a question is asked of."""
        return self._trained_answers if row in range(*self._bounds) else self._served_answers

    @cached_property
    def _bounds(self) -> tuple[int, int]:
        return self.questions.real, self.questions.real + self.questions.heldout

    @cached_property
    def _served_answers(self) -> NDArray[np.int64]:
        return np.array(_numbers([entry.answer for entry in self.faq.served]))

    @cached_property
    def _trained_answers(self) -> NDArray[np.int64]:
        return np.array(_numbers([entry.answer for entry in self.faq.trained]))

    def _state(self, name: str) -> State:
        stored = self._arrays[f"{name}/entry"]
        present = stored != NONE
        entry = np.where(present, stored, 0).astype(np.int64)
        rows = np.arange(len(entry))[:, None]

        def of(key: str) -> Floats:
            return np.where(present, self._arrays[f"{name}/{key}"].astype(np.float64), -1e9)

        right = np.array(
            [[column in own for column in row] for row, own in zip(entry.tolist(), self.questions.right, strict=True)]
        )
        words = self._words[rows, entry].astype(np.float64)
        exact = self._exact(entry) & present
        return State(entry, present, of("answer"), of("phrasing"), of("negative"), words, right & present, exact)

    def _exact(self, entry: NDArray[np.int64]) -> Flags:
        """Real questions that an entry holds word for word; held-out ones are left out of their entries."""
        phrasings = [{normalize(text) for text in known.phrasings} for known in self.faq.served]
        found = np.zeros(entry.shape, dtype=bool)
        for row in (*self.real.tolist(), *self.bank.tolist()):
            text = normalize(self.questions.texts[row])
            found[row] = [text in phrasings[column] for column in entry[row].tolist()]
        return found


def _numbers(texts: list[str]) -> list[int]:
    first: dict[str, int] = {}
    return [first.setdefault(text, len(first)) for text in texts]
