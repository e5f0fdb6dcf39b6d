"""From confidences to a decision: answer, offer a few to choose from, or say that there is no answer."""

from collections.abc import Iterable, Sequence
from typing import Literal, NamedTuple

from app.retrieval.calibration import Calibration
from app.retrieval.offer import MOST

Status = Literal["answered", "ambiguous", "no_answer"]

MOST_EXACT = 5  # answers that are shown of a question which several entries hold word for word


class Decision(NamedTuple):
    """What becomes of one question: the status, and the positions of the answers that are shown, best first."""

    status: Status
    shown: list[int]


class Choices(NamedTuple):
    """The candidates of one question, best first, (n,) each."""

    confidences: Sequence[float]
    answers: Sequence[str]  # the text that each answers with
    exact: Sequence[bool]  # where a phrasing is the question itself


def choose(choices: Choices, top_k: int, calibration: Calibration, min_confidence: float | None = None) -> Decision:
    """Decide on one question.

    `answered`: the up to `top_k` that reach the answer threshold, which is `min_confidence` or else the calibration's.
    An entry that holds the question word for word reaches every threshold; where such entries have different answers,
    `ambiguous` with up to five of these. `ambiguous` otherwise: the fewest best, two or three with different answers,
    whose joint probability reaches the offer threshold, or `min_confidence` where that is higher. `no_answer`: nothing.
    A `min_confidence` of 0 never abstains: `answered` with `top_k`, as long as there is any candidate.
    """
    confidences, answers, exact = choices
    different = _different(answers)
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


def _different(answers: Iterable[str]) -> list[int]:
    """The positions of the first candidate with each answer."""
    first: dict[str, int] = {}
    for i, answer in enumerate(answers):
        first.setdefault(answer, i)
    return list(first.values())
