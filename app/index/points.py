"""Points of a Qdrant server as entries; `index.upload` is the other direction."""

from typing import Any

import numpy as np

from app.index.candidates import NO_MATCH, Candidate
from app.index.layout import DIGEST, SINCE, UNTIL
from app.index.lookup import QuestionKeys, keys_of, match_of
from app.index.protocol import ANSWER, KEYS, NEGATIVES, QUESTIONS, own_payload


def candidate_of(
    point: Any,  # noqa: ANN401 - a record or a scored point, with payload and vectors
    dimension: int,
    lexical: float = 0.0,
    wanted: QuestionKeys | None = None,
) -> Candidate:
    """The entry of a point, with its BM25 score, how its keys match those that are wanted, and its digest."""
    payload, vectors = point.payload, point.vector
    answer, questions, negatives = (
        np.asarray(vectors.get(name, ()), dtype=np.float32).reshape(-1, dimension)
        for name in (ANSWER, QUESTIONS, NEGATIVES)
    )
    own = {key: value for key, value in own_payload(payload).items() if key not in (SINCE, UNTIL, DIGEST)}
    match = NO_MATCH if wanted is None else match_of(wanted, payload[KEYS] if KEYS in payload else keys_of(own))
    return Candidate(payload["id"], own, answer, questions, negatives, lexical, match, payload.get(DIGEST, ""))
