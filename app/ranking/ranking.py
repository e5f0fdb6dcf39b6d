"""Ranks what a question finds: features, scores and confidence."""

from dataclasses import dataclass, replace
from typing import Self

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from app.arrays import Flags, Floats, Integers
from app.encoding.bundle import RANKING, Bundle
from app.errors import BundleError
from app.index.candidates import Question
from app.index.hits import Hits
from app.ranking.calibration import Calibration, evidence_of
from app.ranking.matching import held_by, holders_first, same_phrasings, trust_of
from app.ranking.ranked import Ranked
from app.ranking.unanswerable import DEFAULT_SHARE, LEAST_SHARE, MOST_SHARE

BESIDE_EXACT = 0.02  # the most confidence of a candidate beside an entry that holds the question word for word


@dataclass(frozen=True, slots=True)
class Features:
    """The features that entries are ranked by, (n,) each."""

    answer: Floats  # similarity to the answer's best window
    phrasing: Floats  # similarity to the best phrasing; that of the answer for a passage
    lexical: Floats  # BM25
    negative: Floats  # how much nearer the question is to a negative than to the entry; at least 0
    exact: Flags  # a phrasing is the question itself
    excluded: Flags  # a negative is the question itself
    matched: Integers  # index of the phrasing that is the question, or of the most similar; -1 for a passage
    held: Integers  # how many of the question's identifiers the entry holds
    trust: Floats  # factor of its confidence; below 1 if words and identifiers do not match


class Ranking(BaseModel):
    """The content of ranking.json: weights and calibration, fitted on held-out questions."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    question_weight: float = Field(ge=0, le=1, description="of the best phrasing, against the answer's text")
    lexical_weight: float = Field(0, ge=0, description="of BM25, which is a few tens if all words match")
    negative_weight: float = Field(2, ge=0, description="of a question's nearness to what the entry must not answer")
    calibration: Calibration
    reranker_weight: float | None = Field(
        None,
        gt=0,
        description="of the reranker's score, added for the best 20; None: the bundle has no reranker",
    )
    reranked: Calibration | None = Field(None, description="the calibration of reranked answers")
    target_precision: float = Field(
        0.8, gt=0, lt=1, description="the precision that the answer threshold was chosen for"
    )
    offer_precision: float = Field(0.6, gt=0, lt=1, description="the precision that the offer threshold was chosen for")
    unanswerable_share: float = Field(
        DEFAULT_SHARE, ge=LEAST_SHARE, le=MOST_SHARE, description="of the questions that nothing answers"
    )

    @classmethod
    def of(cls, bundle: Bundle) -> Self:
        """The ranking of a bundle. Raises BundleError if its file cannot be used."""
        path = bundle.directory / RANKING
        try:
            return cls.model_validate_json(path.read_bytes())
        except (OSError, ValidationError) as error:
            raise BundleError(f"{path} cannot be used: {error}") from error

    def rank(self, question: Question, hits: Hits) -> Ranked:
        """Best first, without the entries that a negative excludes. Equal scores keep the order of their ids."""
        if len(excluded := hits.excluded):
            hits = hits.without(excluded)
        features = features_of(question, hits)
        scores = self.scores(features)
        no_answer = self.calibration.no_answer(scores)
        confidences = self.calibration.confidence(evidence_of(scores, hits.answers), no_answer) * features.trust
        if features.exact.any():
            confidences, no_answer = with_exact(confidences, features.exact, hits.answers), 0.0
        columns = scores, confidences, features.matched, features.exact, features.held, features.trust
        return _ordered(Ranked.of(hits.source, hits.numbers, hits.answers, *columns, unanswerable=no_answer))

    def scores(self, features: Features) -> Floats:
        """The score of each candidate, (n,)."""
        by_meaning_and_words = combined(
            features.answer, features.phrasing, features.lexical, self.question_weight, self.lexical_weight
        )
        penalties = self.negative_weight * features.negative
        penalties[features.excluded] = 1.0
        return holders_first(by_meaning_and_words - penalties, features.held)

    def rerank(self, ranked: Ranked, scores: NDArray[np.float32]) -> Ranked:
        """The entries, best first, with the reranker's `scores` added to the first `len(scores)` of them.

        The others stay below these. Raises ValueError if the bundle has no reranker.
        """
        if self.reranker_weight is None or self.reranked is None:
            raise ValueError("this ranking was fitted without a reranker")
        new_scores = holders_first(reranked_scores(ranked.scores, scores, self.reranker_weight), ranked.held)
        confidences = self.reranked.confidence(evidence_of(new_scores, ranked.answers)) * ranked.trust
        rows = ranked.rows.copy()
        rows["score"] = np.where(ranked.exact, ranked.scores, new_scores)
        rows["confidence"] = np.where(ranked.exact, ranked.confidences, confidences)
        return _ordered(replace(ranked, rows=rows, reranked=True))


def features_of(question: Question, hits: Hits) -> Features:
    """The features of what one question found."""
    answer, phrasing, negative, matched = hits.nearness
    phrasing = np.where(matched < 0, answer, phrasing)
    exact, excluded = (np.zeros(len(hits), dtype=bool) for _ in range(2))
    if hits.matches:
        same = same_phrasings(question.text, hits)
        exact = same >= 0
        matched = np.where(exact, same, matched)
        excluded[hits.excluded] = True
    return Features(
        answer,
        phrasing,
        hits.lexical,
        np.maximum(0.0, negative - np.maximum(answer, phrasing)),
        exact,
        excluded,
        matched,
        held_by(hits),
        trust_of(question, hits, exact),
    )


def combined(
    answer: Floats, phrasing: Floats, lexical: Floats, question_weight: float, lexical_weight: float
) -> Floats:
    """One score from the similarities to the answer's text and to the best phrasing, and BM25; any shape."""
    return np.asarray(question_weight * phrasing + (1 - question_weight) * answer + lexical_weight * lexical)


def reranked_scores(scores: Floats, reranker: NDArray[np.float32], weight: float) -> Floats:
    """Scores, (n,), with the reranker's added. `reranker`: the reranker's scores of the first candidates, (up to n,).

    Only differences between the reranker's scores have a meaning, so their mean is subtracted. The other candidates get
    its lowest score, and so stay below.
    """
    added = weight * (reranker - reranker.mean())
    rest = np.full(len(scores) - len(added), added.min())
    return np.asarray(scores + np.concatenate([added, rest]))


def with_exact(confidences: Floats, exact: Flags, answers: Integers) -> Floats:
    """Confidences, (n,): 1 for an entry that holds the question word for word, at most `BESIDE_EXACT` for the others.

    At least one entry is exact. If such entries have several answers, these share the confidence, because the question
    means only one of them.
    """
    count = len(np.unique(answers[exact]))
    return np.where(exact, 1 / count, np.minimum(confidences, BESIDE_EXACT))


def _ordered(ranked: Ranked) -> Ranked:
    """Best first by score, or by confidence if the trust in an entry is below 1."""
    best_first = (-ranked.scores).argsort(kind="stable")
    scores = ranked.scores[best_first]
    if len(equal := (scores[1:] == scores[:-1]).nonzero()[0]):
        tied = np.unique([equal, equal + 1])
        ids = ranked.take(best_first[tied]).ids()
        best_first[tied] = best_first[tied][np.lexsort((ids, -scores[tied]))]
    if (ranked.trust < 1).any():
        confident = np.lexsort((-ranked.confidences[best_first], -ranked.held[best_first]))
        best_first = best_first[confident]
    if ranked.exact.any():
        best_first = best_first[(~ranked.exact[best_first]).argsort(kind="stable")]
    return ranked.take(best_first)
