"""Candidates in, ranked answers out: features, scores, confidence. Pure numpy; knows no index and no HTTP."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from app.retrieval.calibration import Calibration, evidence_of
from app.retrieval.lexical import plain
from app.retrieval.unanswerable import DEFAULT_SHARE, LEAST_SHARE, MOST_SHARE

Vectors = NDArray[np.float32]
Floats = NDArray[np.float64]

EXACT_CONFIDENCE = 0.98  # of a phrasing that is the question itself, shared among the answers that it stands for
EXACT_SIMILARITY = 0.9  # a phrasing less similar than that cannot be the question; saves comparing texts


class Question(NamedTuple):
    """What is asked: its text and its vector, (dimension,)."""

    text: str
    vector: Vectors


class Candidate(NamedTuple):
    """An entry that the index found: what an answer needs, its vectors, and how its words fit the question."""

    id: str
    payload: dict[str, Any]  # question, phrasings, negatives, answer, metadata
    answer: Vectors  # (windows, dimension), at least one
    questions: Vectors  # (phrasings, dimension), possibly none
    negatives: Vectors  # (negatives, dimension), possibly none
    lexical: float = 0.0  # BM25


@dataclass(frozen=True, slots=True)
class Features:
    """What candidates are ranked by, all (n,) alike."""

    answer: Floats  # similarity to the answer's best window
    phrasing: Floats  # similarity to the best phrasing; that of the answer for a passage
    lexical: Floats  # BM25
    negative: Floats  # how much nearer the question is to what the entry must not answer than to the entry; at least 0
    exact: NDArray[np.bool_]  # a phrasing is the question itself
    excluded: NDArray[np.bool_]  # a negative is
    matched: NDArray[np.int64]  # which phrasing is the best; -1 for a passage


class Ranked(NamedTuple):
    """A candidate with its place: `matched` is the index of the phrasing that fits best, None for a passage."""

    candidate: Candidate
    score: float
    confidence: float
    matched: int | None
    exact: bool = False
    reranked: bool = False


class Ranking(BaseModel):
    """ranking.json: what counts how much, and the calibration. Fitted on held-out questions."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    question_weight: float = Field(ge=0, le=1, description="of the best phrasing, against the answer's text")
    lexical_weight: float = Field(0, ge=0, description="of BM25, which is some tens where all words fit")
    negative_weight: float = Field(2, ge=0, description="of a question's nearness to what the entry must not answer")
    calibration: Calibration
    reranker_weight: float | None = Field(
        None,
        gt=0,
        description="what the reranker's score counts beside this one's, over the best 20; None: it has none",
    )
    reranked: Calibration | None = Field(None, description="the calibration of what the reranker has been at")
    target_precision: float = Field(0.8, gt=0, lt=1, description="what the answer threshold was chosen for")
    offer_precision: float = Field(0.6, gt=0, lt=1, description="what the offer threshold was chosen for")
    unanswerable_share: float = Field(
        DEFAULT_SHARE, ge=LEAST_SHARE, le=MOST_SHARE, description="of the questions that nothing answers"
    )

    def rank(self, question: Question, candidates: Sequence[Candidate]) -> list[Ranked]:
        """Best first. Equal scores keep the order of their ids."""
        if not candidates:
            return []
        features, answers = features_of(question, candidates), _answers(candidates)
        scores = self.scores(features)
        confidences = with_exact(self.calibration.confidence(evidence_of(scores, answers)), features, answers)
        matched = [None if one < 0 else one for one in features.matched.tolist()]
        ranked = map(Ranked, candidates, scores.tolist(), confidences.tolist(), matched, features.exact.tolist())
        return sorted(ranked, key=_place)

    def scores(self, features: Features) -> Floats:
        """One number for each candidate, (n,)."""
        return combined(
            features.answer, features.phrasing, features.lexical, self.question_weight, self.lexical_weight
        ) - np.where(features.excluded, 1.0, self.negative_weight * features.negative)

    def rerank(self, ranked: Sequence[Ranked], scores: NDArray[np.float32]) -> list[Ranked]:
        """The best `len(scores)` in the order that the reranker's scores bring about; the others stay below them.

        Raises ValueError where the bundle has no reranker.
        """
        if self.reranker_weight is None or self.reranked is None:
            raise ValueError("this ranking was fitted without a reranker")
        found = reranked_scores(np.array([one.score for one in ranked]), scores, self.reranker_weight)
        evidence = evidence_of(found, _answers([one.candidate for one in ranked]))
        confidences = self.reranked.confidence(evidence)
        changed = [
            one._replace(reranked=True)
            if one.exact
            else one._replace(score=score, confidence=confidence, reranked=True)
            for one, score, confidence in zip(ranked, found.tolist(), confidences.tolist(), strict=True)
        ]
        return sorted(changed, key=_place)


def features_of(question: Question, candidates: Sequence[Candidate]) -> Features:
    """The features of some candidates, at least one."""
    best, which = _best(question.vector, candidates)
    answer, phrasing, negative = best.T
    _, matched, nearest = which.T
    phrasing = np.where(matched < 0, answer, phrasing)
    text = plain(question.text)
    return Features(
        answer,
        phrasing,
        np.array([one.lexical for one in candidates]),
        np.maximum(0.0, negative - np.maximum(answer, phrasing)),
        _same(text, candidates, "phrasings", matched, phrasing),
        _same(text, candidates, "negatives", nearest, negative),
        matched,
    )


def combined(
    answer: Floats, phrasing: Floats, lexical: Floats, question_weight: float, lexical_weight: float
) -> Floats:
    """One score from the similarities to the answer's text and to the best phrasing, and BM25; any shape."""
    return np.asarray(question_weight * phrasing + (1 - question_weight) * answer + lexical_weight * lexical)


def reranked_scores(scores: Floats, reranker: NDArray[np.float32], weight: float) -> Floats:
    """Scores once the reranker's are added to those of the best, (n,); `reranker`, (up to n,), is of the first ones.

    Its scores mean something only against each other, so their mean is taken off; those that it has not seen get the
    least that it gave, and so stay below.
    """
    added = weight * (reranker - reranker.mean())
    rest = np.full(len(scores) - len(added), added.min())
    return np.asarray(scores + np.concatenate([added, rest]))


def with_exact(confidences: Floats, features: Features, answers: Sequence[str]) -> Floats:
    """Confidences, (n,), where phrasings that are the question itself are certain, and leave the others the rest."""
    if features.excluded.any():
        confidences = np.where(features.excluded, 0.0, confidences)
    exact = features.exact & ~features.excluded
    if not exact.any():
        return confidences
    among = len({answer for answer, one in zip(answers, exact, strict=True) if one})
    rest = np.minimum(confidences, 1 - EXACT_CONFIDENCE)
    return np.where(exact, np.maximum(EXACT_CONFIDENCE, confidences) / among, rest)


def _best(question: Vectors, candidates: Sequence[Candidate]) -> tuple[Floats, NDArray[np.int64]]:
    """Of each candidate's answer, phrasings and negatives the best: its similarity and which it is, (n, 3) both.

    -inf and -1 where it has none.
    """
    groups = [vectors for one in candidates for vectors in (one.answer, one.questions, one.negatives)]
    counts = np.array([len(group) for group in groups])
    best, which = np.full(len(groups), -np.inf), np.full(len(groups), -1, dtype=np.int64)
    similarity = np.concatenate(groups) @ question  # (all vectors,)
    filled = np.flatnonzero(counts)
    counts = counts[filled]
    starts = np.cumsum(counts) - counts
    best[filled] = np.maximum.reduceat(similarity, starts)
    equal = np.flatnonzero(similarity == np.repeat(best[filled], counts))
    which[filled] = equal[np.searchsorted(equal, starts)] - starts  # the first of equally good ones
    return best.reshape(-1, 3), which.reshape(-1, 3)


def _same(
    text: str, candidates: Sequence[Candidate], key: str, which: NDArray[np.int64], similarity: Floats
) -> NDArray[np.bool_]:
    """Where the best of an entry's texts is the question itself, (n,)."""
    likely = (which >= 0) & (similarity >= EXACT_SIMILARITY)
    found = np.zeros(len(candidates), dtype=bool)
    for i in np.flatnonzero(likely).tolist():
        found[i] = plain(candidates[i].payload[key][which[i]]) == text
    return found


def _place(one: Ranked) -> tuple[bool, float, str]:
    return not one.exact, -one.score, one.candidate.id


def _answers(candidates: Sequence[Candidate]) -> list[str]:
    return [one.payload["answer"] for one in candidates]
