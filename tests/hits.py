"""Hits and ranked entries made of a few entries, and hits by the ids of entries."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from app.index.candidates import Candidate, Question
from app.index.hits import Entries, Hits, Payload, answer_keys
from app.index.lookup import Match, keys_of, match_of, question_keys
from app.ranking.ranked import Ranked


def hits_of(question: Question, entries: Sequence[Candidate], lexical: Mapping[str, float] | None = None) -> Hits:
    """As an index returns these entries. `lexical`: the BM25 score of entries by their ids, otherwise 0."""
    asked = question_keys(question)
    matches = {place: match_of(asked, keys_of(entry.payload)) for place, entry in enumerate(entries)}
    scores = np.array([(lexical or {}).get(entry.id, 0.0) for entry in entries])
    matching = {place: match for place, match in matches.items() if match != Match()}
    return Hits.of(entries, question.vector, scores, matching)


def ranked_of(
    payloads: Sequence[Payload],
    confidences: Sequence[float],
    matched: Sequence[int] | None = None,
    exact: Sequence[bool] | None = None,
) -> Ranked:
    """Entries of these payloads, best first. `matched`: by default the first phrasing of each."""
    number, zeros = len(payloads), np.zeros(len(payloads), dtype=np.int64)
    source, _ = Entries.without_vectors(
        dict(enumerate({"id": f"e{i}", **payload} for i, payload in enumerate(payloads)))
    )
    return Ranked.of(
        source,
        np.arange(number),
        answer_keys(payloads),
        scores=np.array(confidences),
        confidences=np.array(confidences),
        matched=zeros if matched is None else np.array(matched),
        exact=zeros > 0 if exact is None else np.array(exact),
        held=zeros,
        trust=np.ones(number),
        unanswerable=0.0,
    )


def lexical_of(hits: Hits) -> dict[str, float]:
    """The BM25 score of each entry by its id."""
    return dict(zip(hits.ids(), hits.lexical.tolist(), strict=True))


def matches_of(hits: Hits) -> dict[str, Match]:
    """How the keys of entries match, by the ids of those of which any does."""
    ids = hits.ids()
    return {ids[place]: match for place, match in hits.matches.items()}


def payload(**fields: Any) -> Payload:  # noqa: ANN401 - a field of a payload
    """A payload of these fields, and of empty ones."""
    return {"question": "", "phrasings": [], "negatives": [], "answer": "", "metadata": {}, **fields}
