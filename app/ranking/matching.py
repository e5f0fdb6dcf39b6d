"""What phrasings, negatives and identifiers say of an entry, beside all similarity."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from app.arrays import Flags, Floats, Integers
from app.index.candidates import NO_MATCH, Match
from app.index.words import answer_of
from app.ranking.calibration import LEAD_CAP
from app.text.identifiers import identifiers_of, shape_of
from app.text.normalize import fold_accents, has_letter, normalize

Payload = Mapping[str, Any]

MISTAKEN = 0.1  # what the confidence of an entry about another identifier is multiplied by


def same_phrasings(text: str, matches: Sequence[Match], payloads: Sequence[Payload]) -> Integers:
    """Which phrasing of each entry is the question itself, (n,); -1: none.

    Accents are folded where no phrasing of any entry is the question with them.
    """
    places = np.full(len(matches), -1, dtype=np.int64)
    matching = [i for i, match in enumerate(matches) if match is not NO_MATCH and (match.same or match.folded)]
    if not matching:
        return places
    forms: list[Callable[[str], str]] = [normalize, lambda text: fold_accents(normalize(text))]
    for form in forms:
        wanted = form(text)
        for i in matching:
            phrasings = enumerate(payloads[i]["phrasings"])
            places[i] = next((place for place, phrasing in phrasings if form(phrasing) == wanted), -1)
        if (places >= 0).any():
            break
    return places


def held_by(matches: Sequence[Match]) -> Integers:
    """How many of the question's identifiers each entry holds, (n,)."""
    return np.array([match is not NO_MATCH and len(match.identifiers) for match in matches], dtype=np.int64)


def holders_first(scores: Floats, held: Integers) -> Floats:
    """Scores, (n,), where an entry that holds fewer of the question's identifiers stands clearly below one with more.

    The lead is the greatest that the calibration knows, so that the other entries are no rivals.
    """
    if not held.any():
        return scores
    return np.asarray(scores - (held.max() - held) * (np.ptp(scores) + LEAD_CAP))


def own_shapes(payload: Mapping[str, Any]) -> set[str]:
    """The shapes of the identifiers that an entry is about: those of its phrasings, and the codes of its answer.

    A number in an answer is rather a telephone number, a postcode or a price, unless the entry has no phrasing.
    """
    phrasings = payload["phrasings"]
    names = identifiers_of("\n".join(phrasings))
    in_answer = identifiers_of(answer_of(payload))
    return {shape_of(name) for name in names} | {
        shape_of(name) for name in in_answer if not phrasings or not name.isdigit()
    }


def trust_of(
    text: str,
    identifiers: frozenset[str],
    matches: Sequence[Match],
    payloads: Sequence[Payload],
    supported: Flags,
) -> Floats:
    """What confidences are multiplied by, (n,). `supported`: the entry holds a word or an identifier of the question.

    A question without a letter is answered only by an entry that supports it. Where no entry holds an identifier of
    the question, but one has another of the same shape, entries about other identifiers are not what it is about.
    """
    trust = np.ones(len(matches))
    if not has_letter(text):
        trust[~supported] = 0.0
    unknown = identifiers.difference(*(match.identifiers for match in matches))
    if unknown:
        shapes = [own_shapes(payload) for payload in payloads]
        if set().union(*shapes) & {shape_of(name) for name in unknown}:
            trust[[bool(own) and not match.identifiers for own, match in zip(shapes, matches, strict=True)]] *= MISTAKEN
    return trust
