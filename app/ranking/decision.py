"""The decision about a question: answer it, offer a few answers to choose from, or say that there is no answer."""

from collections.abc import Sequence
from typing import Literal, NamedTuple

import numpy as np

from app.arrays import Flags, Floats, Integers
from app.ranking.calibration import Calibration
from app.ranking.offer import MOST
from app.ranking.ranked import Ranked

Status = Literal["answered", "ambiguous", "no_answer"]

MOST_EXACT = 5  # answers to a question that several entries hold word for word


class Decision(NamedTuple):
    """The status of a question, and the positions of the candidates to show, best first."""

    status: Status
    shown: list[int]


class Case(NamedTuple):
    """The decision about an evaluation question, with `top_k` 1."""

    status: Status
    right: Sequence[bool]  # whether each answer shown is right, best first
    answerable: bool  # whether any entry answers the question


class Choices(NamedTuple):
    """The candidates of a question, best first, (n,) each."""

    confidences: Floats
    answers: Integers  # equal for the same answer
    exact: Flags  # whether a phrasing is the question itself


def decide(ranked: Ranked, top_k: int, calibration: Calibration, min_confidence: float | None = None) -> Decision:
    """Decide on one question from its ranked entries, best first; see `choose`.

    `calibration` is the one that made their confidences.
    """
    return choose(Choices(ranked.confidences, ranked.answers, ranked.exact), top_k, calibration, min_confidence)


def choose(choices: Choices, top_k: int, calibration: Calibration, min_confidence: float | None = None) -> Decision:
    """Decide on one question.

    `answered`: up to `top_k` candidates that reach the answer threshold: `min_confidence`, or else the calibration's.
    An entry that holds the question word for word reaches every threshold; where such entries have different answers,
    `ambiguous` with up to five of them. `ambiguous` otherwise: the best two, or else three, with different answers
    whose joint probability reaches the offer threshold, or `min_confidence` where that is higher. `no_answer`: none.
    A `min_confidence` of 0 always gives `answered` with up to `top_k`, where there is any candidate.
    """
    confidences, answers, exact = choices
    if exact.any() and min_confidence != 0:
        different = [i for i in first_of_each(answers) if exact[i]]
        if len(different) > 1:
            return Decision("ambiguous", different[:MOST_EXACT])
    threshold = calibration.threshold if min_confidence is None else min_confidence
    confident = (exact | (confidences >= threshold)).nonzero()[0]
    if len(confident):
        return Decision("answered", confident[:top_k].tolist())
    best = first_of_each(answers, MOST)
    offer = calibration.offer
    size = offer.size(confidences[best].tolist(), max(offer.threshold, min_confidence or 0.0))
    return Decision("no_answer", []) if size is None else Decision("ambiguous", best[:size])


def first_of_each(answers: Integers, limit: int | None = None) -> list[int]:
    """The positions of the first candidate with each answer, of the first `limit` answers."""
    first: dict[int, int] = {}
    for i, answer in enumerate(answers.tolist()):
        first.setdefault(answer, i)
        if len(first) == limit:
            break
    return list(first.values())


def effects(cases: Sequence[Case]) -> dict[str, Floats]:
    """Four figures for each question, (questions,) each: 1 or 0, or NaN where the figure excludes the question.

    helped                 the right answer is first, or among at most three that are offered; of the questions that
                           an entry answers
    wrong                  `answered` with a wrong answer first; of all questions
    unanswerable_answered  `answered`; of the questions that no entry answers
    unanswerable_offered   `ambiguous`; of the questions that no entry answers
    """
    answered = np.array([case.status == "answered" for case in cases], dtype=bool)
    offered = np.array([case.status == "ambiguous" for case in cases], dtype=bool)
    first = np.array([bool(case.right) and case.right[0] for case in cases], dtype=bool)
    among = np.array([any(case.right[:MOST]) for case in cases], dtype=bool)
    answerable = np.array([case.answerable for case in cases], dtype=bool)
    return {
        "helped": np.where(answerable, (answered & first) | (offered & among), np.nan),
        "wrong": (answered & ~first).astype(np.float64),
        "unanswerable_answered": np.where(answerable, np.nan, answered),
        "unanswerable_offered": np.where(answerable, np.nan, offered),
    }


def measured(cases: Sequence[Case]) -> dict[str, float]:
    """The means of `effects`, without a figure that excludes every question."""
    counted = {name: values[~np.isnan(values)] for name, values in effects(cases).items()}
    return {name: float(values.mean()) for name, values in counted.items() if len(values)}
