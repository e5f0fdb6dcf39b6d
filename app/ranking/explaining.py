"""Why a question is answered as it is: what each signal adds to each score, and how the confidence comes about."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

from app.index.candidates import Question
from app.index.hits import Hits, Payload
from app.ranking.calibration import Calibration, margins_of
from app.ranking.decision import Decision, decide, first_of_each
from app.ranking.offer import MOST
from app.ranking.ranked import Ranked, RankedEntry
from app.ranking.ranking import Features, Ranking, features_of

Name = Literal["answer", "phrasing", "words", "negative", "identifiers", "reranker"]
TOP_K = 3  # answers of a reply


class Signal(NamedTuple):
    """One signal of a candidate: what was measured, and what it adds to the score."""

    name: Name
    value: float
    adds: float


@dataclass(frozen=True)
class Considered:
    """An entry with its signals. `lead`: its score minus that of the best one with another answer, None without."""

    ranked: RankedEntry
    signals: tuple[Signal, ...]
    lead: float | None


@dataclass(frozen=True)
class Explanation:
    """The entries that a question found, best first, and the decision. `excluded`: those that a negative excludes.

    `joint`: the probability that the right answer is among the first one, two and three different answers.
    `unanswerable`: the probability that nothing answers the question.
    """

    candidates: list[Considered]
    excluded: list[Payload]
    decision: Decision
    threshold: float
    offer_threshold: float
    joint: tuple[float, ...]
    unanswerable: float


def explanation(ranking: Ranking, question: Question, hits: Hits, before: Ranked, ranked: Ranked) -> Explanation:
    """Explain `ranked`, the final order, best first. `before`: the same entries before the reranker."""
    kept = hits.without(hits.excluded)
    calibration = ranking.reranked if ranked.reranked and ranking.reranked else ranking.calibration
    first_scores = dict(zip(before.numbers.tolist(), before.scores.tolist(), strict=True))
    signals = _signals(ranking, features_of(question, kept), kept.numbers.tolist(), first_scores)
    considered = [
        Considered(entry, (*signals[number], *_reranker(ranked, entry.score - first_scores[number])), lead)
        for entry, number, lead in zip(ranked, ranked.numbers.tolist(), _leads(ranked), strict=True)
    ]
    return Explanation(
        considered,
        hits.take(hits.excluded).payloads(),
        decide(ranked, TOP_K, calibration),
        calibration.threshold,
        calibration.offer.threshold,
        _joint(ranked, calibration),
        ranked.unanswerable,
    )


def _signals(
    ranking: Ranking, features: Features, numbers: Sequence[int], scores: Mapping[int, float]
) -> dict[int, list[Signal]]:
    """The signals of each entry before the reranker, by its number; together they add up to its score."""
    columns = {
        "answer": (features.answer, (1 - ranking.question_weight) * features.answer),
        "phrasing": (features.phrasing, ranking.question_weight * features.phrasing),
        "words": (features.lexical, ranking.lexical_weight * features.lexical),
        "negative": (features.negative, -ranking.negative_weight * features.negative),
    }
    signals: dict[int, list[Signal]] = {}
    for i, number in enumerate(numbers):
        parts = [Signal(name, float(value[i]), float(adds[i])) for name, (value, adds) in columns.items()]  # type: ignore[arg-type]
        rest = scores[number] - sum(part.adds for part in parts)
        signals[number] = [*parts, Signal("identifiers", float(features.held[i]), rest)]
    return signals


def _reranker(ranked: Ranked, added: float) -> list[Signal]:
    return [Signal("reranker", added, added)] if ranked.reranked else []


def _leads(ranked: Ranked) -> list[float | None]:
    margins = margins_of(ranked.scores, ranked.answers).tolist()
    return [None if math.isinf(margin) else margin for margin in margins]


def _joint(ranked: Ranked, calibration: Calibration) -> tuple[float, ...]:
    best = first_of_each(ranked.answers, MOST)
    if not best:
        return ()
    return tuple(calibration.offer.joint(ranked.confidences[None, best])[0].tolist())
