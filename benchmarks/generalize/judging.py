"""What a system makes of a cell's real questions, as served, and the columns of the table.

excess    calibration error of the best answer's confidence in ten bins of equal mass, less the mean of 200 draws of
          outcomes from the confidences themselves: small sets have a large error by chance
bias      mean confidence minus the share that is right
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from app.ranking import fitting as calibrating
from app.ranking import prior
from app.ranking.calibration import Calibration, evidence_of
from app.ranking.decision import Case, Choices, choose, measured
from app.ranking.defaults import LEXICAL_WEIGHT, OFFER_PRECISION, PRECISION
from app.ranking.fitting import MIN_QUESTIONS
from app.ranking.prior import Prior
from app.ranking.ranking import Ranking
from app.ranking.scored import Scored
from benchmarks.generalize.cells import Features, State
from trainer.evaluation.metrics import BINS, auroc, calibration_error

DRAWS = 200
COVERED = 0.9
SHARES = (0.0, 0.1, 0.3, 0.6)
LEAST, MOST = 0.001, 0.95
Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]


@dataclass(frozen=True)
class Judged:
    """Of each question: the best answer's confidence and whether it is right, and what would be replied."""

    confidence: Floats
    right: Flags
    cases: list[Case]
    ranks: Floats  # reciprocal ranks
    answerable: Flags
    about: NDArray[np.int64]
    unanswerable: Floats  # the probability that nothing answers the question, at the calibration's share
    exact: Flags  # an entry holds the question word for word


class System(NamedTuple):
    """A state of a cell's model, and the families that its confidence was learned from."""

    state: str
    prior: Prior


def calibrated(features: Features, system: System, share: float) -> Calibration:
    """As a bundle's: moved by the held-out questions, thresholds chosen on them where there are enough."""
    state = features.state(system.state)
    asked = asked_of(features, state, features.heldout)
    how = partial(calibrating.shrunk, other_faqs=system.prior)
    ranking = Ranking(
        question_weight=features.usual_weight,
        lexical_weight=LEXICAL_WEIGHT,
        calibration=prior.across(prior=system.prior),
        target_precision=PRECISION,
        offer_precision=OFFER_PRECISION,
        unanswerable_share=share,
    )
    fitted = calibrating.fit(asked, ranking, how) if len(asked) >= MIN_QUESTIONS else None
    return fitted.calibration if fitted else how(asked).at_share(share)


def judge(features: Features, system: System, calibration: Calibration, made: bool = False) -> Judged:
    """Ask the real questions; `made`: and each answerable one once more without its answer, as unanswerable ones."""
    state = features.state(system.state)
    scores = _scores(features, state)
    asked = list(zip(asked_of(features, state, features.real), features.real.tolist(), strict=True))
    if made:
        asked += [
            (without, row) for one, row in asked if one.answerable and len((without := one.without_answer()).scores)
        ]
    exact = [_exact(state, scores, row, len(one.scores)) for one, row in asked]
    replies = [_reply(one, held, calibration) for (one, _), held in zip(asked, exact, strict=True)]
    ranks = state.reciprocal_ranks(scores)
    rows = np.array([row for _, row in asked])
    return Judged(
        np.array([confidence for confidence, _, _ in replies]),
        np.array([right for _, right, _ in replies]),
        [case for _, _, case in replies],
        ranks[rows],
        np.array([one.answerable for one, _ in asked]),
        features.about[rows],
        np.array([calibration.no_answer(one.scores) for one, _ in asked]),
        np.array([bool(held.any()) for held in exact]),
    )


def asked_of(features: Features, state: State, rows: NDArray[np.int64]) -> list[Scored]:
    """Some questions with their candidates, as the default weights score them."""
    return features.scored(state, _scores(features, state), rows)


def _scores(features: Features, state: State) -> Floats:
    return state.scores(features.usual_weight, LEXICAL_WEIGHT)


def _exact(state: State, scores: Floats, row: int, candidates: int) -> Flags:
    order = np.argsort(-scores[row], kind="stable")
    exact = state.exact[row, order[np.isfinite(scores[row, order])]]
    return exact if len(exact) == candidates else np.zeros(candidates, dtype=bool)


def _reply(question: Scored, exact: Flags, calibration: Calibration) -> tuple[float, bool, Case]:
    confidences = calibration.confidence(evidence_of(question.scores, question.answers))
    order = np.argsort(~exact, kind="stable")
    sure = np.where(exact, 1.0, confidences)[order]
    right = question.right[order]
    status, shown = choose(Choices(sure, question.answers[order], exact[order]), 1, calibration)
    return float(sure[0]), bool(right[0]), Case(status, [bool(right[i]) for i in shown], question.answerable)


def columns(judged: Judged) -> dict[str, float]:
    """The figures of one system on one cell."""
    known = judged.answerable
    found = {
        "P@1": float((judged.ranks[known] == 1).mean()),
        "MRR": float(judged.ranks[known].mean()),
        "answered": float(np.mean([case.status == "answered" for case in judged.cases])),
        "offered": float(np.mean([case.status == "ambiguous" for case in judged.cases])),
        **measured(judged.cases),
        "coverage@90": coverage(judged.confidence, judged.right),
        "Brier": float(((judged.confidence - judged.right) ** 2).mean()),
        "bias": float(judged.confidence.mean() - judged.right.mean()),
        "excess": excess(judged.confidence, judged.right),
    }
    if known.any() and not known.all():
        found["AUROC"] = float(auroc(judged.confidence, known)[0])
    return found


def at_shares(judge_at: Callable[[float], Judged]) -> dict[str, float]:
    """The excess calibration error where the questions are resampled to each share, and that share is stated."""
    found = {}
    for share in SHARES:
        judged = judge_at(min(max(share, LEAST), MOST))
        chosen = resampled(judged.answerable, share)
        found[f"excess@{100 * share:.0f}"] = excess(judged.confidence[chosen], judged.right[chosen])
    return found


def resampled(answerable: Flags, share: float) -> NDArray[np.int64]:
    """As many questions as give the share of unanswerable ones, drawn without replacement."""
    draws = np.random.default_rng(0)
    known, unknown = draws.permutation(np.flatnonzero(answerable)), draws.permutation(np.flatnonzero(~answerable))
    count = min(len(known), int(len(unknown) * (1 - share) / share) if share else len(known))
    others = min(len(unknown), round(count * share / (1 - share)))
    return np.concatenate([known[:count], unknown[:others]])


def excess(confidence: Floats, right: Flags) -> float:
    """The calibration error beyond what a perfect confidence would show by chance."""
    draws = np.random.default_rng(0).uniform(size=(DRAWS, len(confidence))) < confidence
    chance = np.zeros(DRAWS)
    for part in np.array_split(np.argsort(confidence, kind="stable"), BINS):
        chance += np.abs(confidence[part].mean() - draws[:, part].mean(axis=1)) * len(part) / len(confidence)
    return float(calibration_error(confidence, right) - chance.mean())


def coverage(confidence: Floats, right: Flags) -> float:
    """The largest share of questions whose surest answers are right at least nine times in ten."""
    order = np.argsort(-confidence, kind="stable")
    precision = np.cumsum(right[order]) / np.arange(1, len(right) + 1)
    reached = np.flatnonzero(precision >= COVERED)
    return float((reached[-1] + 1) / len(right)) if len(reached) else 0.0


class Difference(NamedTuple):
    """A paired difference over seeds: its mean, 95 % interval, and how likely it is no loss but chance (one-sided)."""

    mean: float
    low: float
    high: float
    worse: float


def difference(pairs: Sequence[tuple[Floats, NDArray[np.int64]]], draws: int = 1000) -> Difference:
    """Of one row: for each seed the differences of its questions and their entries; entries and seeds drawn again."""
    random = np.random.default_rng(0)
    names = np.unique(np.concatenate([about for _, about in pairs]))
    sums = np.array([[values[about == name].sum() for name in names] for values, about in pairs])
    counts = np.array([[(about == name).sum() for name in names] for _, about in pairs])
    weights = random.multinomial(len(names), np.full(len(names), 1 / len(names)), draws)
    means = (weights @ sums.T) / np.maximum(weights @ counts.T, 1)  # (draws, seeds)
    drawn = means[np.arange(draws)[:, None], random.integers(0, len(pairs), (draws, len(pairs)))].mean(axis=1)
    low, high = np.quantile(drawn, (0.025, 0.975))
    mean = float(np.mean([values.mean() for values, _ in pairs]))
    return Difference(mean, float(low), float(high), float((drawn >= 0).mean()))
