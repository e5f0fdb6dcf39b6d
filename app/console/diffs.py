"""What changed between two texts, word by word."""

import re
from difflib import SequenceMatcher
from typing import Any, Literal, NamedTuple

_WORDS = re.compile(r"\s+|\w+|[^\w\s]")
_MOST_WORDS = 3_000  # of a text; a longer one is shown as removed and added whole, as comparing takes quadratic time


class Piece(NamedTuple):
    """A piece of a text: in both texts, only in the old one, or only in the new one."""

    kind: Literal["same", "removed", "added"]
    text: str


def word_diff(before: Any, after: Any) -> list[Piece]:  # noqa: ANN401 - the value of any field of an entry
    """The pieces of both texts, in reading order. Values that are no texts are written as texts first."""
    old, new = (_WORDS.findall(as_text(value)) for value in (before, after))
    if max(len(old), len(new)) > _MOST_WORDS:
        return _pieces("".join(old), "".join(new))
    pieces: list[Piece] = []
    for kind, start, end, new_start, new_end in SequenceMatcher(None, old, new, autojunk=False).get_opcodes():
        if kind == "equal":
            pieces.append(Piece("same", "".join(old[start:end])))
        else:
            pieces += _pieces("".join(old[start:end]), "".join(new[new_start:new_end]))
    return pieces


def as_text(value: Any) -> str:  # noqa: ANN401
    """A value of an entry as text: a list has one line an item."""
    if value is None:
        return ""
    if isinstance(value, list | tuple):
        return "\n".join(map(as_text, value))
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)


def _pieces(old: str, new: str) -> list[Piece]:
    pieces = [Piece("removed", old), Piece("added", new)]
    return [piece for piece in pieces if piece.text]
