"""Fits confidence, thresholds and offers on what became of held-out questions. A few lines of numpy: no training.

Candidates at ranks 1 to 5 of each question are examples, right or wrong. The confidence is that of other FAQs, moved by
the held-out questions as far as their number allows (`app.ranking.prior`); after a reranker, whose scores have no
scale in common, it is fitted on the held-out questions alone. Thresholds are chosen at the stated share of unanswerable
questions: where fewer are held out, answerable ones are asked once more with their own answers left out.

Thresholds, joint probabilities and figures rest on cross-fitted confidences: those of a question come from a model
fitted on questions about other entries.
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
from app.ranking.ranking import Ranking, reranked_scores

RANKS = 5  # candidates of a question that are examples
FOLDS = 5
MIN_QUESTIONS = 30  # fewer held-out questions than that calibrate nothing
LEAST_THRESHOLD = 0.5  # below it an answer is more likely wrong than right, however easy the held-out questions are
USUAL_LEAST = 0.7  # unless a lower precision is asked for: below it an offer of several helps more often than an answer

Fit = Callable[[Sequence["Scored"]], Calibration]


class Reread(NamedTuple):
    """A question, and the reranker's scores of its best candidates, best first."""

    outcome: Outcome
    scores: NDArray[np.float32]


class Scored(NamedTuple):
    """One question's candidates, (n,) each, best first."""

    scores: Floats
    answers: list[str]
    right: Flags
    entry: str  # the entry that answers it, the first of several; the question itself where nothing does
    answerable: bool

    @classmethod
    def of(cls, outcome: Outcome, ranking: Ranking) -> "Scored":
        """The candidates as the ranking scores them."""
        scores = ranking.scores(outcome.features)
        order = np.argsort(-scores, kind="stable")
        answers = outcome.answers
        entry = min(outcome.relevant, default=f"\x1f{outcome.question.text}")
        return cls(scores[order], [answers[i] for i in order], outcome.right[order], entry, outcome.answerable)

    def reranked(self, reranker: NDArray[np.float32], weight: float) -> "Scored":
        """The same once the reranker's scores are added."""
        scores = reranked_scores(self.scores, reranker, weight)
        order = np.argsort(-scores, kind="stable")
        return self._replace(scores=scores[order], answers=[self.answers[i] for i in order], right=self.right[order])

    def without_answer(self) -> "Scored":
        """The same question, asked of an index that does not hold what answers it."""
        wrong = np.flatnonzero(~self.right)
        answers = [self.answers[i] for i in wrong]
        return Scored(self.scores[wrong], answers, self.right[wrong], self.entry, answerable=False)


class Fitted(NamedTuple):
    """A calibration, and what the questions that it was fitted on would be replied by models of the other folds."""

    calibration: Calibration
    cases: list[Case]


def calibrate(outcomes: Sequence[Outcome], ranking: Ranking, reread: Sequence[Reread] = ()) -> Calibrated:
    """The calibration of `ranking`, its thresholds chosen for the ranking's precisions; or why there is none.

    `reread`: some of the questions with their scores by the reranker, where the ranking has one.
    """
    questions = [Scored.of(outcome, ranking) for outcome in outcomes]
    fitted = _fitted(questions, ranking, "held-out questions", shrunk)
    if isinstance(fitted, str):
        return Calibrated(problems=(fitted,))
    release = Calibrated(calibration=fitted.calibration, figures=figures(questions, fitted.cases))
    weight = ranking.reranker_weight
    if weight is None or not reread:
        return release
    reranked = [Scored.of(outcome, ranking).reranked(scores, weight) for outcome, scores in reread]
    again = _fitted(reranked, ranking, "held-out questions with the reranker", alone)
    changes = {"problems": (again,)} if isinstance(again, str) else {"reranked": again.calibration}
    return release.model_copy(update=changes)


def shrunk(questions: Sequence[Scored], of: Prior = OTHER_FAQS) -> Calibration:
    """The calibration of other FAQs, moved by these questions as far as their number allows."""
    answerable = [question for question in questions if question.answerable]
    near = [question.scores[0] for question in map(Scored.without_answer, answerable) if len(question.scores)]
    across = prior.across(np.array(near), of)
    if not answerable:
        return across
    evidence, right, _ = examples(answerable)
    given_answer = across.model_copy(update={"unanswerable": None})
    return prior.moved(across, given_answer.confidence(evidence), right)


def alone(questions: Sequence[Scored]) -> Calibration:
    """A calibration fitted on these questions and nothing else."""
    return calibration.fit(*examples(questions))


def _fitted(questions: Sequence[Scored], ranking: Ranking, what: str, how: Fit) -> Fitted | str:
    """The fit; or why it says nothing."""
    answerable = sum(question.answerable for question in questions)
    if answerable < MIN_QUESTIONS:
        return f"Only {answerable} {what} are answered by an entry; calibration needs {MIN_QUESTIONS}."
    entries = len({question.entry for question in questions if question.answerable})
    if entries < FOLDS:
        return f"The {what} are about {entries} entries only; calibration needs {FOLDS}."
    fitted = fit(questions, ranking, how)
    if fitted is None:
        return f"The scores of {answerable} {what} do not tell right answers from wrong ones."
    return fitted


def fit(questions: Sequence[Scored], ranking: Ranking, how: Fit = shrunk) -> Fitted | None:
    """The calibration with the thresholds for the ranking's precisions; None where scores do not tell right from wrong.

    `how` fits it to some of the questions.
    """
    share = ranking.unanswerable_share
    asked = [*questions, *unanswerable_of(questions, share)]
    right = np.concatenate([question.right for question in asked])
    fitted = how(asked).at_share(share)
    if right.all() or not right.any() or not alone(asked).discriminates:
        return None
    folds = _folds(asked)
    confidences = _crossfitted(asked, folds, how, share)
    best, hits = _best(asked, confidences)
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
    """The best candidates of all questions, (n,) each: the evidence, whether it is right, and its entry as a number.

    Questions about one entry share the number.
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
    """What the service would do with these questions: those that something answers, and those that nothing does."""
    first = np.array([question.right[0] for question in questions if question.answerable])
    given = [case for case in cases if case.answerable and case.status == "answered"]
    shares = {
        "questions": float(len(first)),
        "precision@1": float(first.mean()),
        "answered": len(given) / len(first),
        "answered_right": float(np.mean([case.right[0] for case in given])) if given else 0.0,
        **measured(cases),
    }
    if unanswerable := sum(not case.answerable for case in cases):
        shares |= {"unanswerable": float(unanswerable), "refused": 1 - shares["unanswerable_answered"]}
    return {name: round(value, 4) for name, value in shares.items()}


def unanswerable_of(questions: Sequence[Scored], share: float) -> list[Scored]:
    """Questions asked once more without their answers, as many as bring the share about, at most all.

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
    """Which fold each question is in; questions about one entry are in the same."""
    return np.array(_numbers(questions), dtype=np.int64) % FOLDS


def _crossfitted(questions: Sequence[Scored], folds: Integers, how: Fit, share: float) -> list[Floats]:
    """The confidences of each question's candidates, by a model fitted on the other folds."""
    models = []
    for fold in range(FOLDS):
        others = [question for question, own in zip(questions, folds, strict=True) if own != fold]
        models.append(how(others).at_share(share))
    return [
        models[fold].confidence(evidence_of(question.scores, question.answers))
        for question, fold in zip(questions, folds, strict=True)
    ]


def _best(questions: Sequence[Scored], confidences: Sequence[Floats]) -> tuple[Floats, Flags]:
    """The confidences of each question's best three with different answers, and which is right, (questions, 3) both.

    0 and False where there are fewer.
    """
    best, right = np.zeros((len(questions), MOST)), np.zeros((len(questions), MOST), dtype=bool)
    for row, (question, confidence) in enumerate(zip(questions, confidences, strict=True)):
        different = first_of_each(question.answers)[:MOST]
        best[row, : len(different)] = confidence[different]
        right[row, : len(different)] = question.right[different]
    return best, right


def _case(question: Scored, confidences: Floats, rule: Calibration) -> Case:
    """What the question would be replied, asked for one answer."""
    choices = Choices(confidences.tolist(), question.answers, [False] * len(question.answers))
    status, shown = choose(choices, 1, rule)
    return Case(status, [bool(question.right[i]) for i in shown], question.answerable)
