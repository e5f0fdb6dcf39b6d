"""Ranks the candidates of a question: features, scores and confidence."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import repeat
from typing import NamedTuple, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from app.arrays import Floats, Vectors
from app.encoding.bundle import RANKING, Bundle
from app.errors import BundleError
from app.index.candidates import Candidate, Question
from app.index.nearness import best_of_groups
from app.index.words import answer_of
from app.ranking.calibration import Calibration, evidence_of
from app.ranking.matching import held_by, holders_first, same_phrasings, trust_of
from app.ranking.unanswerable import DEFAULT_SHARE, LEAST_SHARE, MOST_SHARE

BESIDE_EXACT = 0.02  # the most confidence of a candidate beside an entry that holds the question word for word


@dataclass(frozen=True, slots=True)
class Features:
    """The features that candidates are ranked by, (n,) each."""

    answer: Floats  # similarity to the answer's best window
    phrasing: Floats  # similarity to the best phrasing; that of the answer for a passage
    lexical: Floats  # BM25
    negative: Floats  # how much nearer the question is to a negative than to the entry; at least 0
    exact: NDArray[np.bool_]  # a phrasing is the question itself
    excluded: NDArray[np.bool_]  # a negative is the question itself
    matched: NDArray[np.int64]  # index of the phrasing that is the question, or of the most similar; -1 for a passage
    held: NDArray[np.int64]  # how many of the question's identifiers the entry holds
    trust: Floats  # factor of its confidence; below 1 if words and identifiers do not match


class Ranked(NamedTuple):
    """A candidate with score and confidence. `matched`: index of the best phrasing, None for a passage."""

    candidate: Candidate
    score: float
    confidence: float
    matched: int | None
    exact: bool = False
    reranked: bool = False
    trust: float = 1.0
    unanswerable: float = 0.0  # probability that nothing answers the question; 0: unknown, or an exact match exists


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

    def rank(self, question: Question, candidates: Sequence[Candidate]) -> list[Ranked]:
        """Best first, without the entries that a negative excludes. Equal scores keep the order of their ids."""
        candidates = [candidate for candidate in candidates if not candidate.match.excluded]
        if not candidates:
            return []
        features, answers = features_of(question, candidates), _answers(candidates)
        scores = self.scores(features)
        confidences = self.calibration.confidence(evidence_of(scores, answers)) * features.trust
        confidences = with_exact(confidences, features.exact, answers)
        no_answer = 0.0 if features.exact.any() else self.calibration.no_answer(scores)
        matched = [None if phrasing < 0 else phrasing for phrasing in features.matched.tolist()]
        exact, trust = features.exact.tolist(), features.trust.tolist()
        columns = scores.tolist(), confidences.tolist(), matched, exact, repeat(False), trust, repeat(no_answer)
        return _ordered(list(map(Ranked, candidates, *columns)))

    def scores(self, features: Features) -> Floats:
        """The score of each candidate, (n,)."""
        by_meaning_and_words = combined(
            features.answer, features.phrasing, features.lexical, self.question_weight, self.lexical_weight
        )
        penalties = np.where(features.excluded, 1.0, self.negative_weight * features.negative)
        return holders_first(by_meaning_and_words - penalties, features.held)

    def rerank(self, ranked: Sequence[Ranked], scores: NDArray[np.float32]) -> list[Ranked]:
        """The candidates, best first, with the reranker's `scores` added to the first `len(scores)` of them.

        The others stay below these. Raises ValueError if the bundle has no reranker.
        """
        if self.reranker_weight is None or self.reranked is None:
            raise ValueError("this ranking was fitted without a reranker")
        candidates = [entry.candidate for entry in ranked]
        new_scores = reranked_scores(np.array([entry.score for entry in ranked]), scores, self.reranker_weight)
        new_scores = holders_first(new_scores, held_by([candidate.match for candidate in candidates]))
        confidences = self.reranked.confidence(evidence_of(new_scores, _answers(candidates)))
        changed = [
            entry._replace(reranked=True)
            if entry.exact
            else entry._replace(score=score, confidence=confidence * entry.trust, reranked=True)
            for entry, score, confidence in zip(ranked, new_scores.tolist(), confidences.tolist(), strict=True)
        ]
        return _ordered(changed)


def features_of(question: Question, candidates: Sequence[Candidate]) -> Features:
    """The features of one question's candidates, at least one."""
    answer, phrasing, negative, matched = _nearness(question.vector, candidates)
    phrasing = np.where(matched < 0, answer, phrasing)
    lexical = np.array([candidate.lexical for candidate in candidates])
    matches = [candidate.match for candidate in candidates]
    payloads = [candidate.payload for candidate in candidates]
    same, held = same_phrasings(question.text, matches, payloads), held_by(matches)
    exact = same >= 0
    return Features(
        answer,
        phrasing,
        lexical,
        np.maximum(0.0, negative - np.maximum(answer, phrasing)),
        exact,
        np.array([match.excluded for match in matches]),
        np.where(exact, same, matched),
        held,
        trust_of(question.text, question.identifiers, matches, payloads, exact | (held > 0) | (lexical > 0)),
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


def with_exact(confidences: Floats, exact: NDArray[np.bool_], answers: Sequence[str]) -> Floats:
    """Confidences, (n,): 1 for an entry that holds the question word for word, at most `BESIDE_EXACT` for the others.

    If such entries have several answers, these share the confidence, because the question means only one of them.
    """
    if not exact.any():
        return confidences
    count = len({answer for answer, is_exact in zip(answers, exact.tolist(), strict=True) if is_exact})
    return np.where(exact, 1 / count, np.minimum(confidences, BESIDE_EXACT))


def _nearness(question: Vectors, candidates: Sequence[Candidate]) -> tuple[Floats, Floats, Floats, NDArray[np.int64]]:
    """The best similarity to each candidate's answer, phrasings and negatives, -inf where it has none; and the index of
    the best phrasing, -1 where there is none. (n,) each."""
    known = [candidate.near for candidate in candidates]
    if None not in known:
        answer, phrasing, negative, matched = np.array(known, dtype=np.float64).T
        return answer, phrasing, negative, matched.astype(np.int64)
    groups = [
        vectors for candidate in candidates for vectors in (candidate.answer, candidate.questions, candidate.negatives)
    ]
    best, which = best_of_groups(np.concatenate(groups) @ question, np.array([len(group) for group in groups]))
    answer, phrasing, negative = best.astype(np.float64).reshape(-1, 3).T
    return answer, phrasing, negative, which[1::3]


def _ordered(ranked: list[Ranked]) -> list[Ranked]:
    """Best first by score, or by confidence if the trust in an entry is below 1."""
    ordered = sorted(ranked, key=_place)
    if all(entry.trust == 1 for entry in ordered):
        return ordered
    return sorted(ordered, key=_place_of_doubted)


def _place(entry: Ranked) -> tuple[bool, float, str]:
    return not entry.exact, -entry.score, entry.candidate.id


def _place_of_doubted(entry: Ranked) -> tuple[bool, int, float]:
    return not entry.exact, -len(entry.candidate.match.identifiers), -entry.confidence


def _answers(candidates: Sequence[Candidate]) -> list[str]:
    return [answer_of(candidate.payload) for candidate in candidates]
