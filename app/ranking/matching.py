"""Effects of exact phrasings and of identifiers on scores and confidences, independent of similarity."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from app.arrays import Flags, Floats, Integers
from app.index.candidates import Question
from app.index.hits import Hits
from app.index.words import answer_of
from app.ranking.calibration import LEAD_CAP
from app.text.identifiers import identifiers_of, shape_of
from app.text.normalize import fold_accents, has_letter, normalize

MISTAKEN = 0.1  # factor of the confidence of an entry that is about another identifier


def same_phrasings(text: str, hits: Hits) -> Integers:
    """The index of the phrasing of each entry that is the question itself, (n,); -1 where there is none.

    Accents are ignored only where no entry has a phrasing that is the question with its accents.
    """
    places = np.full(len(hits), -1, dtype=np.int64)
    matching = [place for place, match in hits.matches.items() if match.same or match.folded]
    if not matching:
        return places
    payloads = hits.take(np.array(matching)).payloads()
    forms: list[Callable[[str], str]] = [normalize, lambda text: fold_accents(normalize(text))]
    for form in forms:
        wanted = form(text)
        for place, payload in zip(matching, payloads, strict=True):
            phrasings = enumerate(payload["phrasings"])
            places[place] = next((number for number, phrasing in phrasings if form(phrasing) == wanted), -1)
        if (places >= 0).any():
            break
    return places


def held_by(hits: Hits) -> Integers:
    """How many of the question's identifiers each entry holds, (n,)."""
    held = np.zeros(len(hits), dtype=np.int64)
    for place, match in hits.matches.items():
        held[place] = len(match.identifiers)
    return held


def holders_first(scores: Floats, held: Integers) -> Floats:
    """Scores, (n,), lowered so that entries with fewer of the question's identifiers are below those with more.

    Each missing identifier costs the range of the scores and the largest lead that the calibration distinguishes.
    """
    if not held.any():
        return scores
    return np.asarray(scores - (held.max() - held) * (np.ptp(scores) + LEAD_CAP))


def own_shapes(payload: Mapping[str, Any]) -> set[str]:
    """The shapes of the identifiers that an entry is about: those in its phrasings, and the codes in its answer.

    A number in the answer counts only for a passage; elsewhere it is usually a telephone number, postcode or price.
    """
    phrasings = payload["phrasings"]
    names = identifiers_of("\n".join(phrasings))
    in_answer = identifiers_of(answer_of(payload))
    return {shape_of(name) for name in names} | {
        shape_of(name) for name in in_answer if not phrasings or not name.isdigit()
    }


def trust_of(question: Question, hits: Hits, exact: Flags) -> Floats:
    """A factor for the confidence of each entry, (n,). `exact`: a phrasing is the question itself.

    For a question without a letter the factor of an entry that holds no word or identifier of it is 0. Where no entry
    holds an identifier of the question, but some entry holds one of the same shape, entries about other identifiers
    get `MISTAKEN`.
    """
    trust = np.ones(len(hits))
    lettered = has_letter(question.text)
    if lettered and not question.identifiers:
        return trust
    if not lettered:
        trust[~exact & (held_by(hits) == 0) & (hits.lexical <= 0)] = 0.0
    unknown = question.identifiers.difference(*(match.identifiers for match in hits.matches.values()))
    if unknown:
        shapes = [own_shapes(payload) for payload in hits.payloads()]
        if set().union(*shapes) & {shape_of(name) for name in unknown}:
            trust[np.array([bool(own) for own in shapes]) & (held_by(hits) == 0)] *= MISTAKEN
    return trust
