"""What an entry learns from users' questions: phrasings that it answers, and questions that it must not answer."""

from collections.abc import Sequence
from typing import Literal

from pydantic import ValidationError

from app.errors import InputError
from app.knowledge.entry import Entry

Lesson = Literal["alternatives", "negatives"]


def taught(entry: Entry, texts: Sequence[str], lesson: Lesson) -> Entry:
    """The entry with the texts in one list, and not in the other one. Raises InputError where a text cannot stand."""
    other = "negatives" if lesson == "alternatives" else "alternatives"
    fields = entry.model_dump()
    fields[lesson] = list(dict.fromkeys([*fields[lesson], *texts]))
    fields[other] = [text for text in fields[other] if text not in texts]
    return checked(fields)


def checked(fields: dict[str, object]) -> Entry:
    """The entry of these fields. Raises InputError, naming the first wrong field."""
    try:
        return Entry.model_validate(fields)
    except ValidationError as error:
        problem = error.errors(include_url=False)[0]
        raise InputError(problem["msg"], ".".join(map(str, problem["loc"])) or None) from None
