"""Feedback tokens: a reply carries one, so that whoever has the reply may say what they think of it, without a key.

A token holds no text: the id and time of the request, the outcome, the release, the session, a hash of the question,
and a checksum of the id of each entry that was shown. It is signed with keyed BLAKE2b (RFC 7693), a message
authentication code that takes a third of the time of HMAC-SHA256; every reply is signed.
"""

import binascii
import hashlib
import hmac
import struct
import zlib
from typing import NamedTuple

from app.errors import Conflict, InputError
from app.questions.asked import DAY_S, Asked
from app.questions.selection import OUTCOMES

VALID_S = 7.0 * DAY_S
_VERSION = 1
_HEAD = struct.Struct(">BIB16sB12sBB")  # version, time, outcome, request, number in a batch, hash, two lengths
_MAC_BYTES = 16
_CODES = {outcome: code for code, outcome in enumerate(OUTCOMES)}


class Facts(NamedTuple):
    """What a token proves about a reply. `digest`: of the question; `shown`: checksums of the ids of its entries."""

    request_id: str
    asked_at: int
    outcome: str
    release: str
    session: str | None
    digest: bytes
    shown: frozenset[int]

    def is_of(self, question: str) -> bool:
        """Whether this is the question that was asked."""
        return hmac.compare_digest(self.digest, _digest(question))

    def has_shown(self, faq_id: str) -> bool:
        """Whether the reply showed this entry, as an answer or as a suggestion."""
        return zlib.crc32(faq_id.encode()) in self.shown


class Tokens:
    """Signs and checks tokens with one secret."""

    def __init__(self, secret: bytes) -> None:
        self._secret = secret

    def sign(self, asked: Asked) -> str:
        """The token of a reply."""
        request, _, number = asked.request_id.partition("-")
        shown = asked.reply.answers or asked.reply.suggestions
        release, session = asked.release.encode(), (asked.session or "").encode()
        head = _HEAD.pack(
            _VERSION,
            int(asked.asked_at),
            _CODES[asked.reply.status],
            bytes.fromhex(request),
            int(number or 0),
            _digest(asked.question),
            len(release),
            len(session),
        )
        sums = b"".join([zlib.crc32(answer.id.encode()).to_bytes(4) for answer in shown])
        signed = head + release + session + sums
        return binascii.b2a_base64(self._mac(signed) + signed, newline=False).decode()

    def facts(self, token: str, now: float) -> Facts:
        """What a token proves. Raises InputError for a token that this service did not sign, Conflict if it is old."""
        try:
            raw = binascii.a2b_base64(token, strict_mode=True)
        except ValueError:
            raw = b""
        mac, signed = raw[:_MAC_BYTES], raw[_MAC_BYTES:]
        if not hmac.compare_digest(mac, self._mac(signed)) or signed[:1] != bytes([_VERSION]):
            raise InputError("The token is not valid. Send `feedback_token` of the reply, unchanged.", "token")
        facts = _parsed(signed)
        if now > facts.asked_at + VALID_S:
            raise Conflict(f"The reply is older than {VALID_S / DAY_S:.0f} days; feedback on it is closed.")
        return facts

    def _mac(self, signed: bytes) -> bytes:
        return hashlib.blake2b(signed, key=self._secret, digest_size=_MAC_BYTES).digest()


def _digest(question: str) -> bytes:
    return hashlib.blake2b(question.encode(), digest_size=12).digest()


def _parsed(signed: bytes) -> Facts:
    _, asked_at, outcome, request, number, digest, release, session = _HEAD.unpack_from(signed)
    texts, sums = signed[_HEAD.size : _HEAD.size + release + session], signed[_HEAD.size + release + session :]
    return Facts(
        request_id=f"{request.hex()}-{number}" if number else request.hex(),
        asked_at=asked_at,
        outcome=OUTCOMES[outcome],
        release=texts[:release].decode(),
        session=texts[release:].decode() or None,
        digest=digest,
        shown=frozenset(struct.unpack(f">{len(sums) // 4}I", sums)),
    )
