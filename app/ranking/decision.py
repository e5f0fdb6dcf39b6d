"""From confidences to a decision: answer, offer a few to choose from, or say that there is no answer."""

from collections.abc import Iterable, Sequence
from typing import Literal, NamedTuple

import numpy as np

from app.arrays import Floats
from app.index.words import answer_of
from app.ranking.calibration import Calibration
from app.ranking.offer import MOST
from app.ranking.ranking import Ranked

Status = Literal["answered", "ambiguous", "no_answer"]

MOST_EXACT = 5  # answers that are shown of a question which several entries hold word for word


class Decision(NamedTuple):
    """What becomes of one question: the status, and the positions of the answers that are shown, best first."""

    status: Status
    shown: list[int]


class Case(NamedTuple):
    """What became of one question with `top_k` 1, to be measured."""

    status: Status
    right: Sequence[bool]  # of each answer that is shown, best first
    answerable: bool  # whether any entry answers the question


class Choices(NamedTuple):
    """The candidates of one question, best first, (n,) each."""

    confidences: Sequence[float]
    answers: Sequence[str]  # the text that each answers with
    exact: Sequence[bool]  # where a phrasing is the question itself


def decide(
    ranked: Sequence[Ranked], top_k: int, calibration: Calibration, min_confidence: float | None = None
) -> Decision:
    """Decide on one question from its ranked candidates, best first; see `choose`.

    `calibration` is the one that made their confidences.
    """
    answers = [answer_of(entry.candidate.payload) for entry in ranked]
    choices = Choices([entry.confidence for entry in ranked], answers, [entry.exact for entry in ranked])
    return choose(choices, top_k, calibration, min_confidence)


def choose(choices: Choices, top_k: int, calibration: Calibration, min_confidence: float | None = None) -> Decision:
    """Decide on one question.

    `answered`: the up to `top_k` that reach the answer threshold, which is `min_confidence` or else the calibration's.
    An entry that holds the question word for word reaches every threshold; where such entries have different answers,
    `ambiguous` with up to five of these. `ambiguous` otherwise: the fewest best, two or three with different answers,
    whose joint probability reaches the offer threshold, or `min_confidence` where that is higher. `no_answer`: nothing.
    A `min_confidence` of 0 never abstains: `answered` with `top_k`, as long as there is any candidate.
    """
    confidences, answers, exact = choices
    different = first_of_each(answers)
    held = [i for i in different if exact[i]]
    if len(held) > 1 and min_confidence != 0:
        return Decision("ambiguous", held[:MOST_EXACT])
    threshold = calibration.threshold if min_confidence is None else min_confidence
    sure = [i for i, confidence in enumerate(confidences) if exact[i] or confidence >= threshold]
    if sure:
        return Decision("answered", sure[:top_k])
    best = different[:MOST]
    offer = calibration.offer
    size = offer.size([confidences[i] for i in best], max(offer.threshold, min_confidence or 0.0))
    return Decision("no_answer", []) if size is None else Decision("ambiguous", best[:size])


def first_of_each(answers: Iterable[str]) -> list[int]:
    """The positions of the first candidate with each answer."""
    first: dict[str, int] = {}
    for i, answer in enumerate(answers):
        first.setdefault(answer, i)
    return list(first.values())


def effects(cases: Sequence[Case]) -> dict[str, Floats]:
    """The four figures of each question, (questions,): 1 or 0, NaN where the question does not count.

    helped                 answered with the right answer first, or offered the right one among at most three; of the
                           questions that something answers
    wrong                  answered with a wrong answer first; of all questions
    unanswerable_answered  answered; of the questions that nothing answers
    unanswerable_offered   offered answers to choose from; of the questions that nothing answers
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
    """The means of `effects`, without those that no question counts for."""
    found = {name: values[~np.isnan(values)] for name, values in effects(cases).items()}
    return {name: float(values.mean()) for name, values in found.items() if len(values)}
