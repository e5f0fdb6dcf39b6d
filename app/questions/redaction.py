"""Replaces personal data and secrets in a text by named marks such as `[email]`. Names and addresses stay.

Phone numbers in international form are found by `phonenumbers` (Google's libphonenumber), IBANs and card numbers are
checked by `python-stdnum`. Every other number of seven digits or more becomes `[phone]` or `[number]`, because order,
customer and insurance numbers identify a person too.
"""

import ipaddress
import re
import unicodedata
from collections.abc import Callable

from phonenumbers import Leniency, PhoneNumberMatcher
from stdnum import iban, luhn

MARKS = ("[email]", "[iban]", "[card]", "[key]", "[ip]", "[phone]", "[number]")

_INVISIBLE = re.compile("[\u00ad\u200b\u2060\ufeff]")
_NOTEWORTHY = re.compile(r"@|\d.*\d.*\d.*\d|[A-Za-z0-9_\-]{16}|[:=]\s*\S|\d:|::", re.DOTALL)
_EMAIL = re.compile(r"[^\s@<>()\[\],;:]+@[^\s@<>()\[\]\"',;:]*[^\s@<>()\[\]\"',;:.!?]")
_IBAN = re.compile(r"(?<![A-Za-z0-9])[A-Za-z]{2}\d{2}(?:[ -]?[A-Za-z0-9]){11,40}", re.ASCII)
_CARD = re.compile(r"(?<!\d)\d(?:[ -]?\d){12,18}(?!\d)")
_TOKEN = re.compile(r"[A-Za-z0-9_\-+=~]{12,}", re.ASCII)
_KNOWN_KEY = re.compile(r"(?:sk|pk|rk|faq|gh[opsru]|glpat|xox[abeprs]|hf|npm|pypi)[_-]|AKIA|AIza|eyJ|ya29")
_NAMED_SECRET = re.compile(
    r"(\b(?:password|passwort|passcode|pwd|pin|secret|token|api[ _-]?key)\b\s*[:=]\s*)(\S+)", re.IGNORECASE
)
_IP = re.compile(
    r"(?<![\w.:])(?:\d{1,3}(?:\.\d{1,3}){3}|[0-9a-fA-F]{0,4}(?::[0-9a-fA-F]{0,4}){2,7})(?![\w:])", re.ASCII
)
_NUMBER = re.compile(r"(?<!\d)[+(]?\d(?:[ \t\u00a0().\-\u2010-\u2015/]{0,3}\d){6,}")
_LIKE_A_PHONE = re.compile(r"[+(0]|\d{3}[ .-]\d{3}[ .-]\d{4}$|\d{3}[ .-]\d{4}$")
_SECRET_CHARS, _LONG_SECRET = 20, 32
_HEX = re.compile(r"[0-9a-fA-F]{32,}")
_CHANGES = re.compile(r"[A-Za-z]\d|\d[A-Za-z]|[a-z][A-Z]")


def redacted(text: str) -> str:
    """The text with a mark in place of each e-mail address, IBAN, card number, key, IP address, phone or long number.

    Compatibility characters become the ordinary ones (full-width digits, say), and invisible ones are removed.
    """
    text = _INVISIBLE.sub("", unicodedata.normalize("NFKC", text))
    before = "" if _NOTEWORTHY.search(text) else text
    while text != before:  # a mark may separate what looked like one word
        before = text
        for step in _STEPS:
            text = step(text)
    return text


def _emails(text: str) -> str:
    return _EMAIL.sub("[email]", text) if "@" in text else text


def _ibans(text: str) -> str:
    return _IBAN.sub(lambda match: _iban(match.group()), text)


def _iban(candidate: str) -> str:
    """The candidate with its longest valid beginning replaced: the pattern also takes in words that follow."""
    ends = [i + 1 for i, character in enumerate(candidate) if character.isalnum()]
    for end in reversed(ends[14:34]):
        if iban.is_valid(candidate[:end]):
            return "[iban]" + candidate[end:]
    return candidate


def _cards(text: str) -> str:
    return _CARD.sub(lambda match: "[card]" if luhn.is_valid(_digits(match.group())) else match.group(), text)


def _digits(text: str) -> str:
    """The digits of the text in ASCII, whatever their script."""
    return "".join(str(unicodedata.digit(character)) for character in text if character.isdigit())


def _keys(text: str) -> str:
    text = _NAMED_SECRET.sub(r"\1[key]", text)
    return _TOKEN.sub(lambda match: "[key]" if _is_key(match.group()) else match.group(), text)


def _is_key(token: str) -> bool:
    """Whether a token looks like a secret: a known prefix, or letters and digits mixed as in no word."""
    if _KNOWN_KEY.match(token):
        return any(character.isdigit() for character in token) or len(token) >= _LONG_SECRET
    if _HEX.fullmatch(token):
        return True
    if len(token) < _SECRET_CHARS or not any(character.isdigit() for character in token):
        return False
    return len(_CHANGES.findall(token)) >= 3


def _addresses(text: str) -> str:
    return _IP.sub(lambda match: "[ip]" if _is_ip(match.group()) else match.group(), text)


def _is_ip(candidate: str) -> bool:
    try:
        address = ipaddress.ip_address(candidate)
    except ValueError:
        return False
    return not address.is_unspecified


def _phones(text: str) -> str:
    if "+" not in text:
        return text
    for match in reversed(list(PhoneNumberMatcher(text, None, leniency=Leniency.POSSIBLE))):
        text = f"{text[: match.start]}[phone]{text[match.end :]}"
    return text


def _numbers(text: str) -> str:
    return _NUMBER.sub(lambda match: "[phone]" if _LIKE_A_PHONE.match(match.group()) else "[number]", text)


_STEPS: tuple[Callable[[str], str], ...] = (_emails, _ibans, _cards, _keys, _addresses, _phones, _numbers)
