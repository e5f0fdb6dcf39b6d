"""Warnings about a file that was read: each kind is counted and keeps its first places."""

from dataclasses import dataclass, field
from itertools import chain, islice
from typing import Literal

from app.errors import PLACES_SHOWN, Place, listed

Kind = Literal[
    "near_miss",  # a column or key that looks like a misspelt field
    "same_text",  # same question and answer as another entry, but not the same rest
    "different_answers",  # one question with different answers
    "near_identical",  # rows that differ only in case, space or punctuation
    "mojibake",  # text that was decoded in the wrong encoding before it came here
    "html",  # markup in answers
    "escape",  # a literal backslash and n
    "pipe",  # only one cell is split at `|`
    "unnamed_column",  # content below a header cell that is empty
    "format",  # the content is of another format than the name says
    "encoding",  # the encoding was guessed
    "rows_joined",  # rows that the format makes one entry
    "kept_old",  # an entry was added beside one of the store with the same question
    "beyond_encoder",  # the end of a text is not read by the encoder
    "broken_link",  # a malformed link in an answer
    "never_valid",  # live, but its validity has ended
    "expired",
    "excluded_phrasing",  # a question that is also a negative of its entry
    "dead_follow_up",  # a follow-up that leads to no entry that answers
    "not_taken",  # parts of the file that no entry holds
]


@dataclass(frozen=True)
class ReadWarning:
    """A likely mistake: how often it occurs, and the first ten places."""

    kind: Kind
    message: str
    count: int
    places: tuple[Place, ...]  # PLACES_SHOWN at most; empty for what concerns the whole file

    def __str__(self) -> str:
        if not self.places:
            return self.message
        text = f"{self.places[0]}: {self.message}"
        if self.count == 1:
            return text
        more = f": {listed(self.places[1:])}" if len(self.places) > 1 else ""
        return f"{text} ({self.count - 1:,} more{more}{', …' if self.count > len(self.places) else ''})"


@dataclass
class _Counted:
    count: int = 0
    places: list[Place] = field(default_factory=list)


class Warnings:
    """Warnings of one file, each different message counted."""

    def __init__(self) -> None:
        self._counted: dict[tuple[Kind, str], _Counted] = {}

    def add(self, kind: Kind, message: str, place: Place | None = None) -> None:
        """Count a warning."""
        counted = self._counted.setdefault((kind, message), _Counted())
        counted.count += 1
        if place is not None and len(counted.places) < PLACES_SHOWN:
            counted.places.append(place)

    def listed(self) -> list[ReadWarning]:
        """Every different warning, ten of a kind at most, in the order of first occurrence."""
        shown: dict[Kind, list[ReadWarning]] = {}
        more: dict[Kind, list[_Counted]] = {}
        for (kind, message), counted in self._counted.items():
            warnings = shown.setdefault(kind, [])
            if len(warnings) < PLACES_SHOWN:
                warnings.append(ReadWarning(kind, message, counted.count, tuple(counted.places)))
            else:
                more.setdefault(kind, []).append(counted)
        for kind, rest in more.items():
            places = chain.from_iterable(counted.places for counted in rest)
            count = sum(counted.count for counted in rest)
            shown[kind].append(ReadWarning(kind, "more of this kind", count, tuple(islice(places, PLACES_SHOWN))))
        return list(chain.from_iterable(shown.values()))
