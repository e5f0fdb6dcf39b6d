"""The known name that a misspelt one is nearest to, for messages."""

from collections.abc import Collection
from difflib import get_close_matches


def nearest(name: str, known: Collection[str]) -> str | None:
    """The known name that is most like `name`; None where none is like it."""
    near = get_close_matches(name, known, 1)
    return near[0] if near else None


def hint(name: str, known: Collection[str]) -> str:
    """What follows "There is no … `name`; ": the nearest known name, or all of them where none is near."""
    if near := nearest(name, known):
        return f"did you mean `{near}`?"
    if not known:
        return "there are none here."
    return f"those there are: {', '.join(f'`{each}`' for each in sorted(known))}."
