"""From bytes to text: UTF-8, UTF-16, cp1252, GB18030 and Shift-JIS, the latter three by guessing."""

import codecs
from collections.abc import Iterable
from typing import NamedTuple

GUESSED = ("cp1252", "gb18030", "cp932")  # cp932 is Shift-JIS as Windows writes it
_SAMPLE = 4_096  # bytes in which UTF-16 without a byte order mark is looked for


class NotDecodable(ValueError):
    """Bytes in none of the encodings; `line` is that of the first byte that is not UTF-8."""

    def __init__(self, error: UnicodeDecodeError) -> None:
        byte = error.object[error.start]
        super().__init__(
            f"not UTF-8 (byte 0x{byte:02x}), and not UTF-16, cp1252, GB18030 or Shift-JIS; save the file as UTF-8"
        )
        self.line = error.object.count(b"\n", 0, error.start) + 1


class Decoded(NamedTuple):
    """A text, its encoding, and whether that was guessed."""

    text: str
    encoding: str
    guessed: bool


def decode(data: bytes) -> Decoded:
    """The text, without a byte order mark. Raises NotDecodable."""
    try:
        if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
            return Decoded(data.decode("utf-16"), "utf-16", guessed=False)
        if encoding := _utf16_without_mark(data):
            return Decoded(data.decode(encoding), encoding, guessed=True)
        return Decoded(data.decode("utf-8-sig"), "utf-8", guessed=False)
    except UnicodeDecodeError as error:
        if encoding := _guess(data):
            return Decoded(data.decode(encoding), encoding, guessed=True)
        raise NotDecodable(error) from error


def is_utf8(blocks: Iterable[bytes]) -> bool:
    """True for bytes that `decode` reads as UTF-8 without a guess. The text is not kept."""
    decoder = codecs.getincrementaldecoder("utf-8")()
    try:
        for number, block in enumerate(blocks):
            if number == 0 and _utf16_without_mark(block):
                return False
            decoder.decode(block)
        decoder.decode(b"", final=True)
    except UnicodeDecodeError:
        return False
    return True


def _utf16_without_mark(data: bytes) -> str | None:
    """UTF-16 of mostly Latin text has a zero in nearly every other byte; other texts have none."""
    sample = data[:_SAMPLE]
    if len(sample) < 4 or len(data) % 2:
        return None
    even, odd = sample[::2].count(0), sample[1::2].count(0)
    half = len(sample) // 2
    if even + odd < half / 2 or min(even, odd) > half / 20:
        return None
    return "utf-16-le" if odd > even else "utf-16-be"


def _guess(data: bytes) -> str | None:
    """The encoding that makes the most sense of the bytes, cp1252 where two make as much; None if none fits."""
    from charset_normalizer import from_bytes

    matches = list(from_bytes(data, cp_isolation=list(GUESSED)))
    least = min((match.chaos for match in matches), default=0.0)
    equal = [match.encoding for match in matches if match.chaos == least]
    return "cp1252" if "cp1252" in equal else next(iter(equal), None)
