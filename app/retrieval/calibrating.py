"""How sure one may be, fitted on what became of held-out questions. A few lines of numpy: no training, no labels anew.

Candidates at ranks 1 to 5 of each question are examples, right or wrong; questions that nothing answers take part with
nothing right. Where there are too few of those, they are made: every twelfth question is asked again with its own
answer left out.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from app.retrieval import calibration
from app.retrieval.calibration import Calibration, Evidence, evidence_of
from app.retrieval.heldout import Outcome
from app.retrieval.index import Calibrated
from app.retrieval.ranking import Floats, Ranking, reranked_scores

RANKS = 5  # candidates of a question that are examples
MIN_QUESTIONS = 30  # fewer held-out questions than that calibrate nothing
MIN_UNANSWERABLE = 20
UNANSWERABLE_EVERY = 12  # more would say that a question in five has no answer, which most FAQs are not asked
LEAST_THRESHOLD = 0.5  # below it an answer is more likely wrong than right, however easy the held-out questions are

Scored = tuple[Floats, list[str], NDArray[np.bool_]]  # of one question's candidates: scores, answers, which are right


def calibrate(
    outcomes: Sequence[Outcome], ranking: Ranking, reranker: Sequence[NDArray[np.float32]] | None = None
) -> Calibrated | None:
    """The calibration of `ranking`, with its threshold; None where too few questions have an answer, or scores say
    nothing of what is right.

    `reranker`: its scores of the best candidates of the first questions, best first, where there is one.
    """
    if sum(one.answerable for one in outcomes) < MIN_QUESTIONS:
        return None
    scored = [(ranking.scores(one.features), one.answers, one.right) for one in outcomes]
    first = fit(scored, outcomes, ranking.target_precision)
    if not first.tells:  # these are no questions about this knowledge
        return None
    again = None
    if reranker is not None and ranking.reranker_weight is not None:
        some = [_reranked(one, scores, ranking.reranker_weight) for one, scores in zip(scored, reranker, strict=False)]
        again = fit(some, outcomes[: len(some)], ranking.target_precision)
    return Calibrated(calibration=first, reranked=again, figures=figures(scored, outcomes, first))


def fit(scored: Sequence[Scored], outcomes: Sequence[Outcome], precision: float) -> Calibration:
    """The confidence, the threshold that reaches `precision`, and from where on two are too close to tell."""
    evidence, right, groups = examples(scored, outcomes)
    fitted = calibration.fit(evidence, right, groups)
    best = [_best(fitted, one) for one in _asked(scored, outcomes)]
    confidences = np.array([one[0] for one in best])
    threshold = calibration.threshold_for(confidences, precision, LEAST_THRESHOLD)
    return fitted.model_copy(update={"threshold": round(threshold, 4)})


def examples(
    scored: Sequence[Scored], outcomes: Sequence[Outcome]
) -> tuple[Evidence, NDArray[np.bool_], NDArray[np.int64]]:
    """The best candidates of all questions, (n,) each: the evidence, whether it is right, and which question it is."""
    parts, rights, groups = [], [], []
    for number, (scores, answers, right) in enumerate(_asked(scored, outcomes)):
        top = np.argsort(-scores, kind="stable")[:RANKS]
        evidence = evidence_of(scores, answers)
        parts.append([one[top] for one in evidence])
        rights.append(right[top])
        groups.append(np.full(len(top), number))
    score, margin, crowd = (np.concatenate([part[i] for part in parts]) for i in range(3))
    return Evidence(score, margin, crowd), np.concatenate(rights), np.concatenate(groups)


def figures(scored: Sequence[Scored], outcomes: Sequence[Outcome], fitted: Calibration) -> dict[str, float]:
    """What the service would do with these questions: those that something answers, and those that nothing does."""
    answerable = [one for one, outcome in zip(scored, outcomes, strict=True) if outcome.answerable]
    best = np.array([_best(fitted, one) for one in answerable])  # (questions, 4)
    answered, right = best[:, 0] >= fitted.threshold, best[:, 2].astype(bool)
    found = {
        "questions": float(len(answerable)),
        "precision@1": float(right.mean()),
        "answered": float(answered.mean()),
        "answered_right": float(right[answered].mean()) if answered.any() else 0.0,
    }
    refused = [
        _best(fitted, one)[0] < fitted.threshold
        for one, outcome in zip(scored, outcomes, strict=True)
        if not outcome.answerable
    ]
    if refused:
        found |= {"unanswerable": float(len(refused)), "refused": float(np.mean(refused))}
    return {name: round(value, 4) for name, value in found.items()}


def _asked(scored: Sequence[Scored], outcomes: Sequence[Outcome]) -> list[Scored]:
    """All questions, and those that are asked again without their answer where too few came without one."""
    if sum(not one.answerable for one in outcomes) >= MIN_UNANSWERABLE:
        return list(scored)
    again = [one for one, outcome in zip(scored, outcomes, strict=True) if outcome.answerable][::UNANSWERABLE_EVERY]
    return [*scored, *(without for one in again if len((without := _without_right(one))[0]))]


def _without_right(one: Scored) -> Scored:
    scores, answers, right = one
    wrong = np.flatnonzero(~right)
    return scores[wrong], [answers[i] for i in wrong], right[wrong]


def _best(fitted: Calibration, one: Scored) -> tuple[float, float, float, float]:
    """Of one question: the best's confidence, the runner-up's as a share of it, and whether each is right."""
    scores, answers, right = one
    evidence = evidence_of(scores, answers)
    order = np.argsort(-scores, kind="stable")
    first = order[0]
    second = next((i for i in order[1:] if answers[i] != answers[first]), None)
    confidence = fitted.confidence(evidence)
    if second is None:
        return float(confidence[first]), 0.0, float(right[first]), 0.0
    ratio = float(confidence[second] / max(confidence[first], 1e-9))
    return float(confidence[first]), ratio, float(right[first]), float(right[second])


def _reranked(one: Scored, reranker: NDArray[np.float32], weight: float) -> Scored:
    """The same after the reranker, whose scores are of the best candidates, best first."""
    scores, answers, right = one
    order = np.argsort(-scores, kind="stable")
    return reranked_scores(scores[order], reranker, weight), [answers[i] for i in order], right[order]
