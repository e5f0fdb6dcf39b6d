"""Why a question is answered as it is: what each signal adds to each score, and how the confidence comes about."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np

from app.index.candidates import Candidate, Question
from app.index.words import answer_of
from app.ranking.calibration import Calibration, margins_of
from app.ranking.decision import Decision, decide, first_of_each
from app.ranking.offer import MOST
from app.ranking.ranking import Features, Ranked, Ranking, features_of

Name = Literal["answer", "phrasing", "words", "negative", "identifiers", "reranker"]
TOP_K = 3  # answers of a reply


class Signal(NamedTuple):
    """One signal of a candidate: what was measured, and what it adds to the score."""

    name: Name
    value: float
    adds: float


@dataclass(frozen=True)
class Considered:
    """A candidate with its signals. `lead`: its score minus that of the best one with another answer, None without."""

    ranked: Ranked
    signals: tuple[Signal, ...]
    lead: float | None


@dataclass(frozen=True)
class Explanation:
    """The candidates of a question, best first, and the decision. `excluded`: those that a negative excludes.

    `joint`: the probability that the right answer is among the first one, two and three different answers.
    """

    candidates: list[Considered]
    excluded: list[Candidate]
    decision: Decision
    threshold: float
    offer_threshold: float
    joint: tuple[float, ...]

    @property
    def unanswerable(self) -> float:
        """The probability that nothing answers the question."""
        return self.candidates[0].ranked.unanswerable if self.candidates else 0.0


def explanation(
    ranking: Ranking,
    question: Question,
    candidates: Sequence[Candidate],
    before: Sequence[Ranked],
    ranked: Sequence[Ranked],
) -> Explanation:
    """Explain `ranked`, the final order, best first. `before`: the same candidates before the reranker."""
    kept = [candidate for candidate in candidates if not candidate.match.excluded]
    excluded = [candidate for candidate in candidates if candidate.match.excluded]
    calibration = ranking.reranked if ranked and ranked[0].reranked and ranking.reranked else ranking.calibration
    first_scores = {entry.candidate.id: entry.score for entry in before}
    signals = _signals(ranking, features_of(question, kept), kept, first_scores) if kept else {}
    leads = _leads(ranked)
    considered = [
        Considered(entry, (*signals[entry.candidate.id], *_reranker(entry, first_scores)), lead)
        for entry, lead in zip(ranked, leads, strict=True)
    ]
    decision = decide(ranked, TOP_K, calibration)
    return Explanation(
        considered, excluded, decision, calibration.threshold, calibration.offer.threshold, _joint(ranked, calibration)
    )


def _signals(
    ranking: Ranking, features: Features, candidates: Sequence[Candidate], scores: Mapping[str, float]
) -> dict[str, list[Signal]]:
    """The signals of each candidate before the reranker; together they add up to its score."""
    columns = {
        "answer": (features.answer, (1 - ranking.question_weight) * features.answer),
        "phrasing": (features.phrasing, ranking.question_weight * features.phrasing),
        "words": (features.lexical, ranking.lexical_weight * features.lexical),
        "negative": (features.negative, -ranking.negative_weight * features.negative),
    }
    signals: dict[str, list[Signal]] = {}
    for i, candidate in enumerate(candidates):
        parts = [Signal(name, float(value[i]), float(adds[i])) for name, (value, adds) in columns.items()]  # type: ignore[arg-type]
        rest = scores[candidate.id] - sum(part.adds for part in parts)
        signals[candidate.id] = [*parts, Signal("identifiers", float(features.held[i]), rest)]
    return signals


def _reranker(entry: Ranked, scores: Mapping[str, float]) -> list[Signal]:
    if not entry.reranked:
        return []
    added = entry.score - scores[entry.candidate.id]
    return [Signal("reranker", added, added)]


def _leads(ranked: Sequence[Ranked]) -> list[float | None]:
    if not ranked:
        return []
    scores = np.array([entry.score for entry in ranked])
    margins = margins_of(scores, [answer_of(entry.candidate.payload) for entry in ranked])
    return [None if np.isinf(margin) else float(margin) for margin in margins]


def _joint(ranked: Sequence[Ranked], calibration: Calibration) -> tuple[float, ...]:
    best = first_of_each([answer_of(entry.candidate.payload) for entry in ranked])[:MOST]
    if not best:
        return ()
    confidences = np.array([[ranked[i].confidence for i in best]])
    return tuple(calibration.offer.joint(confidences)[0].tolist())
