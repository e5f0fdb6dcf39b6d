"""Sessions of people: a signed cookie that names a key by its digest, and the tokens against forged forms.

The cookie holds no key. A session ends after SESSION_S, with its key, or when the person signs out.
"""

import os
import secrets
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Any

from fastapi import Request, Response
from itsdangerous import BadData, URLSafeTimedSerializer

from app.settings import Settings

COOKIE, FLASH = "faqtual_session", "faqtual_flash"
SESSION_S, FLASH_S = 12 * 3600, 60
_SECRET_FILE = "session.key"  # noqa: S105 - the name of a file
_SECRET_BYTES = 32


@dataclass(frozen=True)
class Session:
    """A signed-in person: the digest of the key, and the token that forms must repeat."""

    digest: str
    csrf: str


class Sessions:
    """Makes and reads the cookies of one service."""

    def __init__(self, secret: str) -> None:
        """`secret`: signs the cookies; replicas that share sessions share it."""
        self._sessions = URLSafeTimedSerializer(secret, salt="session")
        self._flashes = URLSafeTimedSerializer(secret, salt="flash")

    @classmethod
    def of(cls, settings: Settings) -> "Sessions":
        """With the secret of the settings, or the one that FAQ_HOME keeps. Raises OSError."""
        given = settings.session_secret
        return cls(given.get_secret_value() if given else _kept_secret(settings.home / _SECRET_FILE))

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


def _kept_secret(path: Path) -> str:
    """The secret in the file, which is made where there is none; only its owner can read it. Raises OSError."""
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        with NamedTemporaryFile("w", dir=path.parent) as new:  # its mode is 0600
            new.write(secrets.token_hex(_SECRET_BYTES))
            new.flush()
            os.fsync(new.fileno())
            with suppress(FileExistsError):  # another process was first
                os.link(new.name, path)
    return path.read_text("utf-8")
