"""Suggestions of known names in messages about unknown ones."""

from collections.abc import Collection
from difflib import get_close_matches


def nearest(name: str, known: Collection[str]) -> str | None:
    """The known name most similar to `name`; None where none is similar."""
    matches = get_close_matches(name, known, 1)
    return matches[0] if matches else None


def hint(name: str, known: Collection[str]) -> str:
    """The end of a message about an unknown name: the most similar known name, or all of them."""
    if near := nearest(name, known):
        return f"did you mean `{near}`?"
    if not known:
        return "there are none here."
    return f"those there are: {', '.join(f'`{other}`' for other in sorted(known))}."
