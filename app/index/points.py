"""Points of a Qdrant server as entries; `index.upload` is the other direction."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from app.index.candidates import Candidate
from app.index.conditions import FLAGS
from app.index.layout import DIGEST, SINCE, UNTIL
from app.index.lookup import keys_of
from app.index.protocol import ANSWER, KEYS, NEGATIVES, QUESTIONS


def candidate_of(point: Any, dimension: int) -> Candidate:  # noqa: ANN401 - a record or a scored point
    """The entry of a point with payload and vectors, and its digest."""
    payload, vectors = point.payload, point.vector
    answer, questions, negatives = (
        np.asarray(vectors.get(name, ()), dtype=np.float32).reshape(-1, dimension)
        for name in (ANSWER, QUESTIONS, NEGATIVES)
    )
    digest = payload.get(DIGEST, "")
    return Candidate(payload["id"], entry_of(payload), answer, questions, negatives, digest=digest)


def entry_of(payload: Mapping[str, Any]) -> dict[str, Any]:
    """The entry's own part of the payload of a point."""
    return {key: value for key, value in payload.items() if key not in (FLAGS, KEYS, SINCE, UNTIL, DIGEST)}


def keys_in(payload: Mapping[str, Any]) -> Sequence[str]:
    """The lookup keys of a point's entry; points of earlier versions hold none."""
    return tuple(payload[KEYS]) if KEYS in payload else tuple(keys_of(entry_of(payload)))
