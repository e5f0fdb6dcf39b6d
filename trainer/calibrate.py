"""How much a phrasing counts, and how sure one may be: fitted on held-out questions, with what serves them.

Candidates at ranks 1 to 5 of each held-out question are examples, right or wrong; questions that nothing answers take
part with nothing right. Where the FAQ comes with too few of those, they are made: every second held-out question is
asked again with its own answer left out of the index.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from app.knowledge.entry import Entry
from app.retrieval import calibration
from app.retrieval.calibration import Calibration
from app.retrieval.encoder import Encoder
from app.retrieval.ranking import Ranking
from trainer.data import HeldOut, order
from trainer.evaluation import metrics
from trainer.evaluation.corpus import Corpus, Floats, Integers, Similarities, margins

RANKS = 5  # candidates of a question that are examples
MIN_QUESTIONS = 30  # fewer held-out questions than that calibrate nothing: the defaults stay
MAX_QUESTIONS, MAX_CELLS = 2000, 40_000_000  # more teach nothing new; cells: of questions x entries, held at once
MIN_UNANSWERABLE = 20
UNANSWERABLE_EVERY = 4  # held-out questions, one is asked again without its answer
PRECISION = 0.8  # what the answers above the threshold average on held-out questions; real ones do better
TIED = 0.01  # of MRR: less is noise among a few hundred questions
LEAST_THRESHOLD = 0.5  # below it an answer is more likely wrong than right, however easy the held-out questions are
WEIGHTS = tuple(round(0.1 * i, 1) for i in range(11))

# Of the base model; see benchmarks/default_calibration.py, which prints them.
DEFAULTS = Ranking(
    question_weight=0.5,
    calibration=Calibration(bias=-3.73, score_weight=4.22, margin_weight=15.7, threshold=0.465),
)


@dataclass(frozen=True)
class Examples:
    """Candidates of held-out questions, all (n,) alike; `best` marks those at rank 1."""

    scores: NDArray[np.float64]
    margins: NDArray[np.float64]
    right: NDArray[np.bool_]
    best: NDArray[np.bool_]


def calibrate(entries: Sequence[Entry], heldout: Sequence[HeldOut], encoder: Encoder) -> Ranking:
    """The ranking for a bundle; the defaults where too little is held out."""
    answerable = [one for one in heldout if one.faq_id is not None]
    if len(answerable) < MIN_QUESTIONS:
        return DEFAULTS
    most = min(MAX_QUESTIONS, max(MIN_QUESTIONS, MAX_CELLS // len(entries)))
    some = sorted(heldout, key=lambda one: order(one.question, 0))[:most]
    return fit(Measured(Corpus(entries, encoder), some, encoder))


class Measured:
    """Held-out questions and their similarities to all entries, each question's own phrasing left out.

    A question whose entry then has no phrasing left is compared with answers alone, all entries being passages to it:
    otherwise its own entry would be the only one that no phrasing speaks for.
    """

    def __init__(self, corpus: Corpus, heldout: Sequence[HeldOut], encoder: Encoder) -> None:
        self.corpus = corpus
        self.heldout = heldout
        position = {entry.id: i for i, entry in enumerate(corpus.entries)}
        self.own = np.array([-1 if one.faq_id is None else position[one.faq_id] for one in heldout])  # -1: unanswerable
        texts = [one.question for one in heldout]
        parts = [part for _, part in corpus.blocks(encoder.questions(texts), texts)]
        self.answer: Floats = np.concatenate([part.answer for part in parts])
        self.phrasing: Floats = np.concatenate([part.phrasing for part in parts])
        bare = (self.own >= 0) & ~np.isfinite(self.phrasing[np.arange(len(heldout)), self.own])
        self.phrased = (self.own >= 0) & ~bare
        self.phrasing[bare] = -np.inf

    def scores(self, question_weight: float) -> Floats:
        """As served, (questions, entries)."""
        return Similarities(self.answer, self.phrasing, 0).scores(question_weight)

    def mrr(self, scores: Floats, rows: Integers) -> float:
        """The mean reciprocal rank of those questions."""
        ids = self.corpus.answer_ids
        ranked = [metrics.ranks(scores[row], np.flatnonzero(ids == ids[self.own[row]])) for row in rows]
        return metrics.summarize(ranked)["mrr"]


def fit(measured: Measured) -> Ranking:
    """Choose the weight of phrasings, then fit the confidence and its threshold."""
    weight = choose_weight(measured)
    examples = examples_of(measured, weight)
    fitted = calibration.fit(examples.scores, examples.margins, examples.right)
    confidences = fitted.confidence(examples.scores[examples.best], examples.margins[examples.best])
    threshold = round(max(LEAST_THRESHOLD, calibration.threshold_for(confidences, PRECISION)), 4)
    return Ranking(question_weight=weight, calibration=fitted.model_copy(update={"threshold": threshold}))


def choose_weight(measured: Measured) -> float:
    """The weight of phrasings with the best MRR, or, among those that tie, the one next to the default."""
    rows = np.flatnonzero(measured.phrased)
    if len(rows) < MIN_QUESTIONS:
        return DEFAULTS.question_weight
    found = {weight: measured.mrr(measured.scores(weight), rows) for weight in WEIGHTS}
    good = [weight for weight in WEIGHTS if found[weight] >= max(found.values()) - TIED]
    return min(good, key=lambda weight: abs(weight - DEFAULTS.question_weight))


def examples_of(measured: Measured, question_weight: float, make: bool | None = None) -> Examples:
    """The candidates of all held-out questions and, with `make`, of those that are asked again without their answer.

    None makes them where too few questions came without one.
    """
    scores, ids, own = measured.scores(question_weight), measured.corpus.answer_ids, measured.own
    right = (own >= 0)[:, None] & (ids[None, :] == ids[own][:, None])  # (questions, entries)
    if make or (make is None and (own < 0).sum() < MIN_UNANSWERABLE):
        again = np.flatnonzero(own >= 0)[::UNANSWERABLE_EVERY]
        without = np.where(right[again], -np.inf, scores[again])
        scores = np.concatenate([scores, without]).astype(np.float32)
        right = np.concatenate([right, np.zeros_like(right[again])])
    return _candidates(scores, right, ids)


def _candidates(scores: Floats, right: NDArray[np.bool_], answer_ids: Integers) -> Examples:
    count = min(RANKS, scores.shape[1])
    with np.errstate(invalid="ignore"):  # entries that were left out: -inf minus -inf
        margin = margins(scores, answer_ids)
    top = np.argsort(-scores, axis=1, kind="stable")[:, :count]  # (questions, count)
    best = np.zeros_like(top, dtype=bool)
    best[:, 0] = True
    score, gap = (np.take_along_axis(each, top, axis=1).astype(np.float64) for each in (scores, margin))
    hit = np.take_along_axis(right, top, axis=1)
    kept = np.isfinite(score)
    return Examples(score[kept], gap[kept], hit[kept], best[kept])
