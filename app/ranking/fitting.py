"""Fits confidence, thresholds and offers on the outcomes of held-out questions.

The candidates at ranks 1 to 5 of each question are the examples, right or wrong. The confidence is fitted on other FAQs
and adapted to the held-out questions (`app.ranking.prior`). With a reranker it is fitted on the held-out questions
alone, because the scores of rerankers have no common scale. Thresholds are chosen at the stated share of unanswerable
questions. If too few of these are held out, answerable questions without their right answers are added.

Thresholds, joint probabilities and figures use cross-fitted confidences: those of a question come from a model fitted
on questions about other entries.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from app.arrays import Flags, Floats, Integers
from app.ranking import calibration, prior
from app.ranking.calibration import Calibrated, Calibration, Evidence, evidence_of
from app.ranking.decision import Case, Choices, choose, first_of_each, measured
from app.ranking.heldout import Outcome
from app.ranking.offer import MOST, fit_offer, offer_threshold
from app.ranking.prior import OTHER_FAQS, Prior
from app.ranking.ranking import Ranking
from app.ranking.scored import Scored, densities_of

RANKS = 5  # candidates of a question that serve as examples
FOLDS = 5
MIN_QUESTIONS = 30  # answerable held-out questions that a calibration needs
LEAST_THRESHOLD = 0.5  # below it an answer is more likely wrong than right
USUAL_LEAST = 0.7  # unless the target precision is lower; below it an offer of several helps more often than an answer

Fit = Callable[[Sequence[Scored]], Calibration]


class Reread(NamedTuple):
    """A question, and the reranker's scores of its best candidates, best first."""

    outcome: Outcome
    scores: NDArray[np.float32]


class Fitted(NamedTuple):
    """A calibration, and the cross-fitted reply to each question that it was fitted on."""

    calibration: Calibration
    cases: list[Case]


def calibrate(
    outcomes: Sequence[Outcome], ranking: Ranking, reread: Sequence[Reread] = (), real: Sequence[Outcome] = ()
) -> Calibrated:
    """The calibration of `ranking`, with thresholds for the ranking's precisions; or the reasons why there is none.

    `reread`: a sample of the questions with the reranker's scores, for a ranking with a reranker. `real`: questions of
    users whose answers are known, which were not trained on.
    """
    questions = [Scored.of(outcome, ranking) for outcome in outcomes]
    questions += [Scored.of(outcome, ranking, real=True) for outcome in real]
    fitted = _fitted(questions, ranking, "held-out questions", shrunk)
    if isinstance(fitted, str):
        return Calibrated(problems=(fitted,))
    release = Calibrated(
        calibration=fitted.calibration,
        figures=figures(questions, fitted.cases),
        densities=densities_of(questions, fitted.calibration),
    )
    weight = ranking.reranker_weight
    if weight is None or not reread:
        return release
    reranked = [Scored.of(outcome, ranking).reranked(scores, weight) for outcome, scores in reread]
    refitted = _fitted(reranked, ranking, "held-out questions with the reranker", alone)
    changes = {"problems": (refitted,)} if isinstance(refitted, str) else {"reranked": refitted.calibration}
    return release.model_copy(update=changes)


def shrunk(questions: Sequence[Scored], other_faqs: Prior = OTHER_FAQS) -> Calibration:
    """The calibration of other FAQs, adapted to these questions; more questions move it farther.

    Real questions move the result again: held-out phrasings are not like them, so each FAQ's real questions lie around
    what its phrasings say as they lie around what other FAQs say.
    """
    answerable = [question for question in questions if question.answerable]
    fitted = prior.across(_best_scores([question.without_answer() for question in answerable]), other_faqs)
    fitted = _moved([question for question in questions if not question.real], fitted, with_near_misses=True)
    return _moved([question for question in questions if question.real], fitted, with_near_misses=False)


def _moved(questions: Sequence[Scored], calibration: Calibration, *, with_near_misses: bool) -> Calibration:
    """The calibration moved to fit these questions; unchanged without answerable ones.

    `with_near_misses`: the answerable questions without their answers are examples that nothing answers, too.
    Those among `questions` do not count, because their number follows the stated share.
    """
    answerable = [question for question in questions if question.answerable]
    if not answerable or calibration.unanswerable is None:
        return calibration
    evidence, right, _ = examples(answerable)
    given_answer = calibration.model_copy(update={"unanswerable": None})
    moved = prior.moved(given_answer, given_answer.confidence(evidence), right)
    near = [question.without_answer() for question in answerable] if with_near_misses else []
    given = [question for question in questions if not question.answerable and not question.reduced]
    kinds = [_best_scores(near), _best_scores(given)]
    nothing = prior.moved_unanswerable(calibration.unanswerable, _best_scores(answerable), kinds)
    return moved.model_copy(update={"unanswerable": nothing})


def alone(questions: Sequence[Scored]) -> Calibration:
    """The calibration fitted on these questions alone."""
    return calibration.fit(*examples(questions))


def _fitted(questions: Sequence[Scored], ranking: Ranking, what: str, fit_to: Fit) -> Fitted | str:
    """The fit, or the reason why the questions allow none, for the log. `what`: names the questions in it."""
    answerable = sum(question.answerable for question in questions)
    if answerable < MIN_QUESTIONS:
        return f"Only {answerable} {what} are answered by an entry; calibration needs {MIN_QUESTIONS}."
    entries = len({question.entry for question in questions if question.answerable})
    if entries < FOLDS:
        return f"The {what} are about {entries} entries only; calibration needs {FOLDS}."
    fitted = fit(questions, ranking, fit_to)
    if fitted is None:
        return f"The scores of {answerable} {what} do not tell right answers from wrong ones."
    return fitted


def fit(questions: Sequence[Scored], ranking: Ranking, fit_to: Fit = shrunk) -> Fitted | None:
    """The calibration with thresholds for the ranking's precisions; None if scores do not tell right from wrong.

    `fit_to`: fits a calibration to some of the questions.
    """
    share = ranking.unanswerable_share
    mixed = [*questions, *unanswerable_of(questions, share)]
    right = np.concatenate([question.right for question in mixed])
    fitted = fit_to(mixed).at_share(share)
    if right.all() or not right.any() or not alone(mixed).discriminates:
        return None
    folds = _folds(mixed)
    confidences = _crossfitted(mixed, folds, fit_to, share)
    best, hits = _best(mixed, confidences)
    least = max(LEAST_THRESHOLD, min(USUAL_LEAST, ranking.target_precision))
    threshold = calibration.threshold_for(best[:, 0], ranking.target_precision, least)
    parts = [fit_offer(best[folds != fold], hits[folds != fold]) for fold in range(FOLDS)]
    joint = np.concatenate([part.joint(best[folds == fold]) for fold, part in enumerate(parts)])
    unanswered = np.concatenate([best[folds == fold, 0] < threshold for fold in range(FOLDS)])
    chosen = {"threshold": round(offer_threshold(joint[unanswered], ranking.offer_precision), 4)}
    fitted = fitted.model_copy(
        update={"threshold": round(threshold, 4), "offer": fit_offer(best, hits).model_copy(update=chosen)}
    )
    offers = [part.model_copy(update=chosen) for part in parts]
    rules = [fitted.model_copy(update={"offer": offers[fold]}) for fold in folds[: len(questions)]]
    cases = [
        _case(question, confidence, rule)
        for question, confidence, rule in zip(questions, confidences[: len(questions)], rules, strict=True)
    ]
    return Fitted(fitted, cases)


def examples(questions: Sequence[Scored]) -> tuple[Evidence, Flags, Integers]:
    """The best candidates of all questions, (n,) each: evidence, right or wrong, and the question's group.

    Questions about the same entry form a group.
    """
    numbers = _numbers(questions)
    parts, rights, groups = [], [], []
    for question, number in zip(questions, numbers, strict=True):
        evidence = evidence_of(question.scores, question.answers)
        parts.append([column[:RANKS] for column in evidence])
        rights.append(question.right[:RANKS])
        groups.append(np.full(len(question.right[:RANKS]), number))
    score, margin, lead = (np.concatenate([part[i] for part in parts]) for i in range(3))
    return Evidence(score, margin, lead), np.concatenate(rights), np.concatenate(groups)


def figures(questions: Sequence[Scored], cases: Sequence[Case]) -> dict[str, float]:
    """Shares and counts of what the service would reply to these questions, answerable and unanswerable."""
    first = np.array([question.right[0] for question in questions if question.answerable])
    answered = [case for case in cases if case.answerable and case.status == "answered"]
    shares = {
        "questions": float(len(first)),
        "precision@1": float(first.mean()),
        "answered": len(answered) / len(first),
        "answered_right": float(np.mean([case.right[0] for case in answered])) if answered else 0.0,
        **measured(cases),
    }
    if unanswerable := sum(not case.answerable for case in cases):
        shares |= {"unanswerable": float(unanswerable), "refused": 1 - shares["unanswerable_answered"]}
    return {name: round(value, 4) for name, value in shares.items()}


def unanswerable_of(questions: Sequence[Scored], share: float) -> list[Scored]:
    """Answerable questions without their right answers, as many as are needed to reach the share, at most all.

    They are spread evenly over the answerable questions.
    """
    answerable = [question for question in questions if question.answerable]
    wanted = round(len(answerable) * share / (1 - share)) - (len(questions) - len(answerable))
    count = min(max(wanted, 0), len(answerable))
    chosen = [answerable[i * len(answerable) // count] for i in range(count)]
    return [without for question in chosen if len((without := question.without_answer()).scores)]


def _numbers(questions: Sequence[Scored]) -> list[int]:
    numbers: dict[str, int] = {}
    return [numbers.setdefault(question.entry, len(numbers)) for question in questions]


def _folds(questions: Sequence[Scored]) -> Integers:
    """The fold of each question, (questions,); questions about the same entry are in the same fold."""
    return np.array(_numbers(questions), dtype=np.int64) % FOLDS


def _crossfitted(questions: Sequence[Scored], folds: Integers, fit_to: Fit, share: float) -> list[Floats]:
    """The confidences of each question's candidates, by a model fitted on the other folds."""
    models = []
    for fold in range(FOLDS):
        others = [question for question, number in zip(questions, folds, strict=True) if number != fold]
        models.append(fit_to(others).at_share(share))
    return [
        models[fold].confidence(evidence_of(question.scores, question.answers))
        for question, fold in zip(questions, folds, strict=True)
    ]


def _best_scores(questions: Sequence[Scored]) -> Floats:
    """The best score of each question that has a candidate, (n,)."""
    return np.array([question.scores[0] for question in questions if len(question.scores)], dtype=np.float64)


def _best(questions: Sequence[Scored], confidences: Sequence[Floats]) -> tuple[Floats, Flags]:
    """The confidences of each question's best three different answers, and whether each is right, (questions, 3) both.

    Missing answers are 0 and False.
    """
    best, right = np.zeros((len(questions), MOST)), np.zeros((len(questions), MOST), dtype=bool)
    for row, (question, confidence) in enumerate(zip(questions, confidences, strict=True)):
        different = first_of_each(question.answers, MOST)
        best[row, : len(different)] = confidence[different]
        right[row, : len(different)] = question.right[different]
    return best, right


def _case(question: Scored, confidences: Floats, rule: Calibration) -> Case:
    """The reply to the question by `rule`, when one answer is requested."""
    choices = Choices(confidences, question.answers, np.zeros(len(confidences), dtype=bool))
    status, shown = choose(choices, 1, rule)
    return Case(status, [bool(question.right[i]) for i in shown], question.answerable)
