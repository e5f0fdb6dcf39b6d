"""The normal form in which phrasings, negatives and questions are compared."""

import re
import unicodedata

OUTER = " .,;:!?…\"'`´“”„«»‹›‘’‚()[]¿¡。、，；：！？「」『』（）،؛؟।॥·՞;"
_INVISIBLE = re.compile("[\u00ad\u200b-\u200f\u202a-\u202e\u2060-\u2064\ufe00-\ufe0f\ufeff]")
_ACCENTS = re.compile("[\u0300-\u036f]")  # of Latin, Greek and Cyrillic; in other scripts marks are letters
_LETTERS = str.maketrans({"ı": "i", "ł": "l", "ø": "o", "đ": "d", "’": "'", "‘": "'", "ʼ": "'"})


def normalize(text: str) -> str:
    """The text in canonical caseless form (Unicode D145), with single spaces and without outer punctuation.

    Invisible characters (zero-width, direction, variation selectors) are dropped. A text of only punctuation keeps it,
    so `?` and `…` differ. A text of only invisible characters gives an empty text.
    """
    if not text.isascii():
        text = _INVISIBLE.sub("", unicodedata.normalize("NFD", text))
        text = unicodedata.normalize("NFC", text.casefold())
    else:
        text = text.lower()
    words = " ".join(text.split())
    return words.strip(OUTER) or words


def fold_accents(normalized: str) -> str:
    """The compatibility form (NFKD) of a normalised text, without accents and with plain apostrophes."""
    if normalized.isascii():
        return normalized
    decomposed = unicodedata.normalize("NFKD", normalized).translate(_LETTERS)
    return unicodedata.normalize("NFC", _ACCENTS.sub("", decomposed))


def has_letter(text: str) -> bool:
    """Whether the text has a letter of any script. Marks, digits, punctuation and emoji are no letters."""
    return any(character.isalpha() for character in text)
