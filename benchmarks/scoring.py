"""From what the service answered to figures. No threshold is chosen on the half that is measured."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from app.arrays import Flags, Floats
from app.ranking.decision import Case, Status, measured
from trainer.evaluation.metrics import auroc, calibration_error

HALVES = 20


class Reply(NamedTuple):
    """What became of one question."""

    ids: list[str]  # of all candidates, best first
    confidence: float  # of the best one
    status: Status
    shown: list[str]  # the ids of what is shown with `top_k` 1
    ms: float  # time of the reply with `top_k` 1


def figures(replies: Sequence[Reply], right_ids: Sequence[set[str]]) -> dict[str, float]:
    """The figures of one system."""
    places = [
        next((place for place, name in enumerate(reply.ids, start=1) if name in ids), np.inf)
        for reply, ids in zip(replies, right_ids, strict=True)
    ]
    place = np.array(places, dtype=np.float64)
    answerable = np.array([bool(ids) for ids in right_ids])
    right = place == 1
    confidence = np.array([reply.confidence for reply in replies])
    answered = np.array([reply.status == "answered" for reply in replies])
    cases = [
        Case(reply.status, [name in ids for name in reply.shown], bool(ids))
        for reply, ids in zip(replies, right_ids, strict=True)
    ]
    known = place[answerable]
    figures = {
        "questions": int(answerable.sum()),
        "P@1": float((known == 1).mean()),
        "MRR": float((1 / known).mean()),
        "recall@10": float((known <= 10).mean()),
        **halves(confidence, right),
        **measured(cases),
        "answered": float(answered.mean()),
        "answered right": float(right[answered].mean()) if answered.any() else 0.0,
        "accuracy in scope": float((answered & right)[answerable].mean()),
        "p50 ms": float(np.median([reply.ms for reply in replies])),
    }
    if (~answerable).any():
        figures |= {"refused": float((~answered)[~answerable].mean()), "AUROC": float(auroc(confidence, answerable)[0])}
    return {name: round(value, 4) for name, value in figures.items()}


def halves(confidence: Floats, right: Flags) -> dict[str, float]:
    """Coverage at 90 % precision with the other half's threshold, and the calibration error, over random halves."""
    draws = np.random.default_rng(0)
    coverage, errors, perfect = [], [], []
    for _ in range(HALVES):
        order = draws.permutation(len(right))
        for half, other in ((order[::2], order[1::2]), (order[1::2], order[::2])):
            threshold = _threshold(confidence[half], right[half])
            coverage.append(float((confidence[other] >= threshold).mean()))
            errors.append(calibration_error(confidence[other], right[other]))
            made = draws.uniform(size=len(other)) < confidence[other]
            perfect.append(calibration_error(confidence[other], made))
    return {
        "coverage@90": float(np.mean(coverage)),
        "calibration error": float(np.mean(errors)),
        "of a perfect one": float(np.quantile(perfect, 0.95)),
    }


def _threshold(confidence: Floats, right: Flags) -> float:
    best_first = np.argsort(-confidence)
    precision = np.cumsum(right[best_first]) / np.arange(1, len(right) + 1)
    reached = np.flatnonzero(precision >= 0.9)
    return float(confidence[best_first][reached[-1]]) if len(reached) else np.inf
