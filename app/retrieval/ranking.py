"""Candidates in, ranked answers out: scores, margins, confidence. Pure numpy; knows no index and no HTTP."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from app.retrieval.calibration import Calibration

Vectors = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Candidate:
    """An entry that the index found: what an answer needs, and its vectors."""

    id: str
    payload: dict[str, Any]  # question, phrasings, answer, metadata
    answer: Vectors  # (windows, dimension), at least one
    questions: Vectors  # (phrasings, dimension), possibly none


@dataclass(frozen=True, slots=True)
class Ranked:
    """A candidate with its place: `matched` is the index of the phrasing that fits best, None for a passage."""

    candidate: Candidate
    score: float
    confidence: float
    matched: int | None


class Ranking(BaseModel):
    """ranking.json: how much a phrasing counts against the answer's text, and the calibration."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    question_weight: float = Field(ge=0, le=1)
    calibration: Calibration
    reranker_weight: float | None = Field(
        None,
        gt=0,
        description="what the reranker's score counts beside this one's, over the best 20; None: it has none",
    )

    def rank(self, question: Vectors, candidates: Sequence[Candidate]) -> list[Ranked]:
        """Best first; `question` is (dimension,). Equal scores keep the order of their ids."""
        if not candidates:
            return []
        scored = [self._score(question, candidate) for candidate in candidates]
        scores = np.array([score for score, _ in scored])
        margins = margins_of(scores, [candidate.payload["answer"] for candidate in candidates])
        confidences = self.calibration.confidence(scores, margins)
        ranked = [
            Ranked(candidate, float(score), float(confidence), matched)
            for candidate, (score, matched), confidence in zip(candidates, scored, confidences, strict=True)
        ]
        return sorted(ranked, key=lambda one: (-one.score, one.candidate.id))

    def _score(self, question: Vectors, candidate: Candidate) -> tuple[float, int | None]:
        answer = float((candidate.answer @ question).max())
        if not len(candidate.questions):
            return answer, None
        phrasings = candidate.questions @ question  # (phrasings,)
        matched = int(phrasings.argmax())
        return combine(answer, float(phrasings[matched]), self.question_weight), matched


def combine(answer: float, phrasing: float, question_weight: float) -> float:
    """One score from the similarity to the answer's text and to the best phrasing."""
    return question_weight * phrasing + (1 - question_weight) * answer


def margins_of(scores: NDArray[np.float64], answers: Sequence[str]) -> NDArray[np.float64]:
    """How far each score stands above the best candidate with another answer, (n,); infinite where there is none.

    Entries with one and the same answer do not compete: either is right.
    """
    best: dict[str, float] = {}
    for score, answer in zip(scores, answers, strict=True):
        best[answer] = max(best.get(answer, -np.inf), float(score))
    top = sorted(best.items(), key=lambda item: -item[1])[:2]
    rivals = [next((value for other, value in top if other != answer), -np.inf) for answer in answers]
    return np.asarray(scores - np.array(rivals))
