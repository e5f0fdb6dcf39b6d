"""Identifiers: error codes, part numbers, versions, hexadecimal and long numbers. One other digit means another thing.

An identifier is compared without case, spaces and hyphens: `L2010`, `l-2010` and `L 2010` are the same. Short product
names (`S3`, `EC2`, `iPhone 15`), quantities (`24h`, `10 kg`), years and round numbers are not identifiers.
"""

import re
from collections import Counter
from collections.abc import Iterable

_TOKEN = re.compile(r"(?<![A-Za-z0-9])(?=[A-Za-z._‐‑-]*\d)[A-Za-z0-9]+(?:[-_‐‑.][A-Za-z0-9]+)*", re.ASCII)
_DIGIT = re.compile("[0-9]")
_HYPHENS = re.compile("[-_‐‑]")
_VERSION = re.compile(r"v(\d+(?:\.\d+)+)|(\d+(?:\.\d+){2,})", re.ASCII)
_HEX = re.compile(r"0x[0-9a-f]{2,}")
_QUANTITY = re.compile(r"\d+[a-z]+", re.ASCII)
_RUNS = re.compile(r"[a-z]+|\d+", re.ASCII)
LONG_NUMBER = 5  # digits
LONG_PREFIX = 4  # letters: a longer word with two digits is a product's name
SPACED = re.compile(r"\b([A-Za-z]{1,4}) (\d{2,}(?:-\d+)*)\b", re.ASCII)
SPACED_UPPER = re.compile(r"\b([A-Z]{1,4}) (\d{2,}(?:-\d+)*)\b", re.ASCII)
SPACED_DIGITS = re.compile(r"(?<![\w.-])\d+(?:[ -]\d+)+(?![\w.-]*\d)", re.ASCII)

LEAST_RARE, RARE_SHARE = 3, 0.01  # number or share of entries that may hold an identifier that is not common


def identifiers_of(text: str) -> frozenset[str]:
    """The identifiers in an entry's text. A code in two words must be in capitals (`KX 4101`)."""
    return _identifiers(text, SPACED_UPPER)


def asked_identifiers(text: str) -> frozenset[str]:
    """The identifiers in a question. A code in two words may be in any case (`kx 4101`)."""
    return _identifiers(text, SPACED)


def shape_of(identifier: str) -> str:
    """The form of an identifier: `a9` for `l2010`, `99999` for a number of five digits, or `version` or `hex`."""
    if identifier.isdigit():
        return "9" * len(identifier)
    if "." in identifier:
        return "version"
    if _HEX.fullmatch(identifier):
        return "hex"
    return "".join("9" if run.isdigit() else "a" * len(run) for run in _RUNS.findall(identifier))


def common_identifiers(texts: Iterable[str]) -> list[str]:
    """The identifiers that more than 3 and more than 1 % of the texts hold, sorted."""
    counts = IdentifierCounts()
    for text in texts:
        counts.add(text)
    return counts.common()


class IdentifierCounts:
    """Counts in how many of the texts each identifier occurs."""

    def __init__(self) -> None:
        self._counts: Counter[str] = Counter()
        self._texts = 0

    def add(self, text: str) -> None:
        """Count in one text."""
        self._counts.update(identifiers_of(text))
        self._texts += 1

    def common(self) -> list[str]:
        """As `common_identifiers`."""
        most = max(LEAST_RARE, RARE_SHARE * self._texts)
        return sorted(name for name, count in self._counts.items() if count > most)


def _identifiers(text: str, spaced: re.Pattern[str]) -> frozenset[str]:
    if not _DIGIT.search(text):
        return frozenset()
    text = SPACED_DIGITS.sub(lambda groups: re.sub("[ -]", "", groups[0]), text)
    tokens = {token for written in _TOKEN.findall(text) if (token := _identifier(written))}
    pairs = ((letters, number) for letters, number in spaced.findall(text) if not _identifier(number))
    tokens.update(token for letters, number in pairs if (token := _identifier(letters + number)))
    return frozenset(tokens)


def _identifier(written: str) -> str | None:
    """The normalised identifier in a token, or None where the token is no identifier."""
    token = _HYPHENS.sub("", written.lower())
    if version := _VERSION.fullmatch(token):
        return version[1] or version[2]
    if "." in token:
        return None
    digits = sum(map(str.isdigit, token))
    if digits == len(token):
        return token if digits >= LONG_NUMBER and not token.endswith("000") else None
    if _HEX.fullmatch(token):
        return token
    if digits < 2 or _QUANTITY.fullmatch(token):
        return None
    letters = len(token) - digits
    return token if digits > 2 or letters <= LONG_PREFIX else None
