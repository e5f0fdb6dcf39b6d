"""What phrasings, negatives and identifiers say of an entry, beside all similarity."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from app.retrieval.calibration import LEAD_CAP
from app.retrieval.identifiers import own_shapes, shape_of
from app.retrieval.logistic import Floats
from app.retrieval.normalize import fold_accents, has_letter, normalize

Integers = NDArray[np.int64]
Flags = NDArray[np.bool_]
Payload = Mapping[str, Any]

MISTAKEN = 0.1  # what the confidence of an entry about another identifier is multiplied by


class Match(NamedTuple):
    """How the keys of an entry match those of a question; see `retrieval.lookup`."""

    same: bool = False  # a phrasing is the question
    folded: bool = False  # once accents are folded
    excluded: bool = False  # a negative is the question
    identifiers: frozenset[str] = frozenset()  # the question's, as far as the entry holds them


NO_MATCH = Match()


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
