"""Verifies that an index finds the entries that it holds, before it serves."""

from collections.abc import Callable, Sequence
from operator import attrgetter

import numpy as np

from app.arrays import Vectors
from app.encoding.encoder import Encoder
from app.errors import IndexUnavailable
from app.index.candidates import Candidate, Question
from app.index.protocol import Index
from app.index.words import answer_of

SAMPLE = 32  # entries that are searched for
NEAREST = 10  # entries that a search returns, or a quarter of the index if that is less
TIE = 5e-3  # difference of two cosines that a search in 8 bits may confuse
STORED = 1e-3  # relative difference between a stored vector and the same text encoded again
LEAST_FOUND = 0.5  # share of the sample, by vectors alone; below 1, as the search of a large index is approximate
LEAST_REST = 0.3  # share of a vector's length that must remain to search for the rest

Side = Callable[[Candidate], Vectors]
ANSWERS: Side = attrgetter("answer")
PHRASINGS: Side = attrgetter("questions")


async def verify(index: Index, encoder: Encoder) -> None:
    """Raise IndexUnavailable unless the index holds what its record says and finds a sample of its entries.

    Each entry of the sample must be found by its own text. Vectors must find it without text too, because words and
    lookup keys find an entry even where the vector search is broken.
    """
    name, count = index.record.name, await index.count()
    if count != index.record.entries:
        raise IndexUnavailable(f"{name} holds {count} entries instead of {index.record.entries}.")
    sample = await index.sample(SAMPLE)
    if len(sample) < min(SAMPLE, count):
        raise IndexUnavailable(f"{name} does not give back the entries it holds.")
    limit = max(1, min(NEAREST, count // 4))
    for candidate in sample:
        if not await _found_by_text(index, encoder, candidate, limit):
            raise IndexUnavailable(f"{name} does not find its entry {candidate.id} by its own text.")
    for kind, side, other in (("answers", ANSWERS, PHRASINGS), ("phrasings", PHRASINGS, ANSWERS)):
        searched = [candidate for candidate in sample if len(side(candidate))]
        questions = [Question("", _own_part(side(candidate)[0], other(candidate))) for candidate in searched]
        pairs = zip(questions, searched, strict=True)
        hits = sum([await _found(index, question, candidate, side, limit) for question, candidate in pairs])
        if hits < LEAST_FOUND * len(searched):
            raise IndexUnavailable(f"{name} finds {hits} of {len(searched)} entries by the vectors of their {kind}.")


async def verify_changes(
    index: Index, parent: Index, encoder: Encoder, changed: Sequence[str], removed: Sequence[str]
) -> None:
    """Raise IndexUnavailable unless an increment holds what its record says, finds a sample of the entries `changed` by
    their own texts, and does not find those `removed` from its parent. Both are ids."""
    name, count = index.record.name, await index.count()
    if count != index.record.entries:
        raise IndexUnavailable(f"{name} holds {count} entries instead of {index.record.entries}.")
    limit = max(1, min(NEAREST, count // 4))
    sample = await index.entries(changed[:SAMPLE])
    if len(sample) < len(changed[:SAMPLE]):
        raise IndexUnavailable(f"{name} does not give back the entries that it changes.")
    for candidate in sample:
        if not await _found_by_text(index, encoder, candidate, limit):
            raise IndexUnavailable(f"{name} does not find its entry {candidate.id} by its own text.")
    for candidate in await parent.entries(removed[:SAMPLE]):
        hits = await index.search(_own_question(encoder, candidate), limit, {})
        if candidate.id in hits.ids():
            raise IndexUnavailable(f"{name} still finds {candidate.id}, which it removes.")


async def _found_by_text(index: Index, encoder: Encoder, candidate: Candidate, limit: int) -> bool:
    """Whether the first phrasing, or a passage's answer, finds the candidate; False for another encoder's vectors."""
    question, side = _own_question(encoder, candidate), PHRASINGS if candidate.payload["phrasings"] else ANSWERS
    if _similarity(side(candidate), question.vector) < (1 - STORED) * float(question.vector @ question.vector):
        return False
    return await _found(index, question, candidate, side, limit)


def _own_question(encoder: Encoder, candidate: Candidate) -> Question:
    """The first phrasing of an entry, or a passage's answer, as a question."""
    phrasings = candidate.payload["phrasings"]
    text = phrasings[0] if phrasings else answer_of(candidate.payload)
    vector = (encoder.encode_queries([text]) if phrasings else encoder.encode_documents([text])[0])[0]
    return Question(text, vector)


async def _found(index: Index, question: Question, candidate: Candidate, side: Side, limit: int) -> bool:
    """Whether a search finds the candidate, or `limit` equally similar entries, for example of the same text."""
    results = list(await index.search(question, limit, {}))
    if any(result.id == candidate.id for result in results):
        return True
    tie = TIE * _length(question.vector) * _length(side(candidate)[0])
    least = _similarity(side(candidate), question.vector) - tie
    similar = [
        result for result in results if len(side(result)) and _similarity(side(result), question.vector) >= least
    ]
    return len(similar) >= limit


def _own_part(vector: Vectors, others: Vectors) -> Vectors:
    """The part of a vector, (dimension,), orthogonal to the nearest of the entry's other vectors, (n, dimension).

    A search for it does not find the entry by those vectors. Returns the vector itself if almost nothing remains.
    """
    if not len(others):
        return vector
    nearest = others[(others @ vector).argmax()]
    rest = vector - nearest * (vector @ nearest) / (nearest @ nearest)
    return rest if _length(rest) > LEAST_REST * _length(vector) else vector


def _similarity(vectors: Vectors, vector: Vectors) -> float:
    """The similarity of a vector, (dimension,), to the nearest of `vectors`, (n, dimension)."""
    return float((vectors @ vector).max())


def _length(vector: Vectors) -> float:
    return float(np.linalg.norm(vector))
