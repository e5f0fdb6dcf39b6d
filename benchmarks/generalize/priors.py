"""What other families say: the constants of `app.ranking.prior` and `trainer.guard`, with or without one family."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from app.ranking import prior
from app.ranking.calibration import clip_lead, evidence_of
from app.ranking.defaults import LEXICAL_WEIGHT
from app.ranking.fitting import RANKS
from app.ranking.logistic import sigmoid
from app.ranking.prior import Prior
from app.ranking.scored import Scored
from app.ranking.unanswerable import DEFAULT_SHARE
from benchmarks.generalize.cells import Features
from benchmarks.generalize.sets import FOLDS
from benchmarks.generalize.training import BASE
from trainer import guard
from trainer.guard import CAP, SHARES, Experience, Gains

STATES = (BASE, "default@0.75")
MIXTURE = (1.0, 1.0, 0.3)  # of unanswerable examples: real ones, near misses, the bank
FEWEST_REAL = 10
STEPS, RIDGE = 50, 1e-3
Floats = NDArray[np.float64]


class Examples(NamedTuple):
    """Features of one kind, (n, features), what they are, (n,), and how much each weighs, (n,)."""

    features: Floats
    targets: Floats
    weights: Floats


class Evidence(NamedTuple):
    """What one state of one cell teaches."""

    family: str
    given_answer: Examples
    no_answer: Examples


class Gained(NamedTuple):
    """What the shares of one cell gain on real questions, (shares,), and on held-out ones."""

    family: str
    row: tuple[str, str]
    real: Floats
    heldout: Gains


def all_evidence(known: Iterable[Features]) -> list[Evidence]:
    """What all cells teach about confidence; those of folds are only judged."""
    return [part for features in known if features.cell.variant != FOLDS for part in evidence(features)]


def all_gains(known: Iterable[Features]) -> list[Gained]:
    """What the shares gain in all cells that are trained; those of folds are only judged."""
    return [own for features in known if features.cell.variant != FOLDS and (own := gained(features))]


def evidence(features: Features) -> list[Evidence]:
    """What a cell teaches about confidence, once for each state that there is."""
    names = STATES if features.refused is None else STATES[:1]
    return [_evidence(features, name) for name in names]


def _evidence(features: Features, name: str) -> Evidence:
    state = features.state(name)
    scores = state.scores(features.usual_weight, LEXICAL_WEIGHT)
    plain = features.real[~state.exact[features.real].any(axis=1)]
    asked = features.scored(state, scores, plain)
    known = [question for question in asked if question.answerable]
    near = _best(_without(known))
    heldout = _without(features.scored(state, scores, features.heldout))
    nearness = float(_best(heldout).mean()) if heldout else np.nan
    real = _best([question for question in asked if not question.answerable])
    bank = _best(features.scored(state, scores, features.bank))
    kinds = [(real if len(real) >= FEWEST_REAL else real[:0], MIXTURE[0]), (near, MIXTURE[1]), (bank, MIXTURE[2])]
    return Evidence(features.faq.family, _ranks(known), _no_answer(_best(known), kinds, nearness))


def _without(questions: Iterable[Scored]) -> list[Scored]:
    return [without for one in questions if len((without := one.without_answer()).scores)]


def _best(questions: Sequence[Scored]) -> Floats:
    return np.array([question.scores[0] for question in questions], dtype=np.float64)


def _ranks(questions: Sequence[Scored]) -> Examples:
    """Candidates of answerable questions; those below the first weigh half."""
    rows, right, weights = [], [], []
    for question in questions:
        found = evidence_of(question.scores, question.answers)
        rows.append(
            np.stack([clip_lead(found.margin)[:RANKS], clip_lead(found.lead_over_third_to_fifth)[:RANKS]], axis=1)
        )
        right.append(question.right[:RANKS].astype(np.float64))
        weights.append(np.where(np.arange(len(right[-1])) == 0, 1.0, 0.5))
    weight = np.concatenate(weights)
    return Examples(np.concatenate(rows), np.concatenate(right), weight / weight.sum())


def _no_answer(answerable: Floats, kinds: Sequence[tuple[Floats, float]], nearness: float) -> Examples:
    """The best scores of questions with and without an answer, at the default share of the latter."""
    total = sum(weight for scores, weight in kinds if len(scores))
    parts = [(answerable, 0.0, 1 - DEFAULT_SHARE)]
    parts += [(scores, 1.0, DEFAULT_SHARE * weight / total) for scores, weight in kinds if len(scores)]
    scores = np.concatenate([part[0] for part in parts])
    features = np.stack([scores, np.full(len(scores), nearness)], axis=1)
    targets = np.concatenate([np.full(len(part), target) for part, target, _ in parts])
    weights = np.concatenate([np.full(len(part), weight / len(part)) for part, _, weight in parts])
    return Examples(features, targets, weights)


def prior_of(evidence: Sequence[Evidence], without: str | None = None) -> Prior:
    """Both logistic models, families counting alike; those of the code where no other family is known."""
    known = [one for one in evidence if one.family != without]
    if not known:
        return prior.OTHER_FAQS
    given = _logistic(known, [one.given_answer for one in known])
    nothing = _logistic(known, [one.no_answer for one in known])
    bias, margin, crowd, no_answer, score, near = (round(float(value), 3) for value in (*given, *nothing))
    return Prior(bias, margin, crowd, no_answer, score, near)


def _logistic(known: Sequence[Evidence], examples: Sequence[Examples]) -> Floats:
    """Intercept and weights by weighted logistic regression on standardised features, Newton's method."""
    counts: dict[str, int] = defaultdict(int)
    for one in known:
        counts[one.family] += 1
    features = np.concatenate([one.features for one in examples])
    targets = np.concatenate([one.targets for one in examples])
    each = [part.weights / counts[one.family] for one, part in zip(known, examples, strict=True)]
    weights = np.concatenate(each)
    usable = np.isfinite(features).all(axis=1)
    features, targets, weights = features[usable], targets[usable], weights[usable]
    mean = np.average(features, axis=0, weights=weights)
    spread = np.sqrt(np.average((features - mean) ** 2, axis=0, weights=weights))
    columns = np.concatenate([np.ones((len(features), 1)), (features - mean) / spread], axis=1)
    ridge = np.diag([0.0] + [RIDGE] * features.shape[1])
    found = np.zeros(columns.shape[1])
    for _ in range(STEPS):
        p = sigmoid(columns @ found)
        gradient = columns.T @ (weights * (p - targets)) + ridge @ found
        hessian = (columns * (weights * p * (1 - p))[:, None]).T @ columns + ridge
        found = found - np.linalg.solve(hessian, gradient)
    slopes = found[1:] / spread
    return np.concatenate([[found[0] - slopes @ mean], slopes])


def gained(features: Features) -> Gained | None:
    """What the shares gain; None where training refused."""
    if features.refused is not None:
        return None
    known = features.real[features.answerable[features.real]]
    words = [_ranked(features, share, LEXICAL_WEIGHT) for share in (None, *SHARES)]
    meaning = [_ranked(features, share, 0.0) for share in (None, *SHARES)]
    real = np.array([(one[known] == 1).mean() - (words[0][known] == 1).mean() for one in words[1:]])
    heldout = np.array([(one - meaning[0])[features.heldout] for one in meaning[1:]])
    entries = [str(about) for about in features.about[features.heldout]]
    return Gained(features.faq.family, (features.cell.name, features.cell.variant), real, Gains(heldout, entries))


def _ranked(features: Features, share: float | None, lexical_weight: float) -> Floats:
    state = features.state(BASE if share is None else f"default@{share}")
    return state.reciprocal_ranks(state.scores(features.usual_weight, lexical_weight))


def experience_of(gains: Sequence[Gained], without: str | None = None) -> Experience:
    """Mean and deviation of the gains over rows, families counting alike, and how far held-out gains are from them."""
    if all(one.family == without for one in gains):
        return guard.OTHER_FAQS
    rows: dict[str, dict[tuple[str, str], list[Floats]]] = defaultdict(lambda: defaultdict(list))
    apart: dict[str, list[Floats]] = defaultdict(list)
    for one in gains:
        if one.family != without:
            real = np.minimum(one.real, CAP)
            rows[one.family][one.row].append(real)
            apart[one.family].append((np.minimum(one.heldout.differences.mean(axis=1), CAP) - real) ** 2)
    means = {family: [np.mean(seeds, axis=0) for seeds in found.values()] for family, found in rows.items()}
    mean = np.mean([np.mean(found, axis=0) for found in means.values()], axis=0)
    spread = np.mean([np.mean([(one - mean) ** 2 for one in found], axis=0) for found in means.values()], axis=0)
    transfer = np.mean([np.mean(found, axis=0) for found in apart.values()], axis=0)
    return Experience(_rounded(mean), _rounded(np.sqrt(spread)), _rounded(np.sqrt(transfer)))


def _rounded(values: Floats) -> tuple[float, ...]:
    return tuple(round(float(value), 4) for value in values)
