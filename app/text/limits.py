"""Checks of texts from outside: type, length and characters. Knows no entries and no files.

Surrounding white space is removed, and CR LF and CR become LF; nothing else is changed. Control characters and lone
surrogates are refused, because JSON, PostgreSQL or the tokenizer cannot hold them.
"""

import re
import unicodedata

ANSWER_LENGTH = 25_000
QUESTION_LENGTH = 1_000
NAME_LENGTH = 200
LIST_LENGTH = 1_000

_FORBIDDEN = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff]")
_LINE_END = re.compile(r"\r\n?")
_KINDS = {bool: "true or false", int: "a number", float: "a number", list: "a list", tuple: "a list", dict: "an object"}


def clean(value: object, name: str, limit: int) -> str:
    """The text, stripped. Raises ValueError with `name` when it is no text, too long, or has forbidden characters."""
    if not isinstance(value, str):
        raise ValueError(f"`{name}` must be text, not {kind_of_value(value)}")
    if match := _FORBIDDEN.search(value):
        raise ValueError(f"`{name}` holds {_describe(match.group())} at character {match.start() + 1}")
    text = (_LINE_END.sub("\n", value) if "\r" in value else value).strip()
    if len(text) > limit:
        raise ValueError(f"`{name}` has {len(text):,} characters; at most {limit:,} are allowed")
    return text


def clean_required(value: object, name: str, limit: int) -> str:
    """Like `clean`, and raises ValueError for an empty text too."""
    text = clean(value, name, limit)
    if not text:
        raise ValueError(f"`{name}` is empty")
    return text


def clean_name(value: object, name: str) -> str:
    """An id or a label: one line of text that is not empty. Raises ValueError."""
    text = clean_required(value, name, NAME_LENGTH)
    if "\n" in text or "\t" in text:
        raise ValueError(f"`{name}` holds a tab or a line break")
    return text


def clean_list(value: object, name: str) -> tuple[str, ...]:
    """A list of short texts, without empty ones. Raises ValueError when it is no list or a text is refused."""
    if not isinstance(value, (list, tuple)):
        raise ValueError(f"`{name}` must be a list of texts, not {kind_of_value(value)}")
    texts = (clean(item, f"{name}[{i}]", QUESTION_LENGTH) for i, item in enumerate(value) if item is not None)
    kept = tuple(text for text in texts if text)
    if len(kept) > LIST_LENGTH:
        raise ValueError(f"`{name}` has {len(kept):,} items; at most {LIST_LENGTH:,} are allowed")
    return kept


def same_question(question: str) -> str:
    """A form that is equal for questions that differ only in case, white space or outer punctuation."""
    words = " ".join(unicodedata.normalize("NFKC", question).casefold().split())
    return words.strip(" .,;:!?¿¡\"'“”„«»()…")


def kind_of_value(value: object) -> str:
    """The type of a value in words for a message: `a number`, `an object`."""
    if isinstance(value, str):
        return "text"
    return _KINDS.get(type(value), "null" if value is None else type(value).__name__)


def _describe(character: str) -> str:
    kind = "a lone surrogate" if character >= "\ud800" else "a control character"
    return f"{kind} (U+{ord(character):04X})"
