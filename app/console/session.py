"""Sessions of people: a signed cookie that names a key by its digest, and the tokens against forged forms.

The cookie holds no key. A session ends after SESSION_S, with its key, or when the person signs out.
"""

import secrets
from dataclasses import dataclass
from typing import Any

from fastapi import Request, Response
from itsdangerous import BadData, URLSafeTimedSerializer

from app.knowledge.database import Database
from app.questions.secret import signing_secret

COOKIE, FLASH = "faqtual_session", "faqtual_flash"
SESSION_S, FLASH_S = 12 * 3600, 60
_SECRET = "session"  # noqa: S105 - a name


@dataclass(frozen=True)
class Session:
    """A signed-in person: the digest of the key, and the token that forms must repeat."""

    digest: str
    csrf: str


class Sessions:
    """Makes and reads the cookies of one service."""

    def __init__(self, secret: bytes) -> None:
        """`secret`: signs the cookies."""
        self._sessions = URLSafeTimedSerializer(secret, salt="session")
        self._flashes = URLSafeTimedSerializer(secret, salt="flash")

    @classmethod
    def of(cls, database: Database) -> "Sessions":
        """Sessions with the secret of the database, so that a session lasts on every replica. Raises StoreError."""
        return cls(signing_secret(database, _SECRET))

    def begin(self, request: Request, response: Response, digest: str) -> None:
        """Sign the person in: set the cookie of a new session."""
        cookie = self._sessions.dumps([digest, secrets.token_urlsafe(16)])
        _set(request, response, COOKIE, str(cookie), SESSION_S)

    def of_request(self, request: Request) -> Session | None:
        """The session of a request; None without a cookie, or with one that is forged or too old."""
        try:
            digest, csrf = self._sessions.loads(request.cookies.get(COOKIE, ""), max_age=SESSION_S)
        except (BadData, ValueError, TypeError):
            return None
        return Session(digest, csrf)

    def end(self, request: Request, response: Response) -> None:
        """Sign the person out: delete the cookie."""
        _set(request, response, COOKIE, "", 0)

    def leave(self, request: Request, response: Response, flash: dict[str, Any]) -> None:
        """Leave a message for the next page."""
        _set(request, response, FLASH, str(self._flashes.dumps(flash)), FLASH_S)

    def left(self, request: Request) -> dict[str, Any] | None:
        """The message that the page before left, if any."""
        try:
            flash: dict[str, Any] = self._flashes.loads(request.cookies.get(FLASH, ""), max_age=FLASH_S)
        except BadData:
            return None
        return flash

    def take(self, request: Request, response: Response) -> None:
        """Delete the message, which a page has shown."""
        if FLASH in request.cookies:
            _set(request, response, FLASH, "", 0)


def _set(request: Request, response: Response, name: str, value: str, seconds: int) -> None:
    secure = request.url.scheme == "https"
    response.set_cookie(name, value, max_age=seconds, path="/", httponly=True, secure=secure, samesite="strict")
