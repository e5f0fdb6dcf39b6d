"""The command `key`: make an API key."""

from app.cli.terminal import out
from app.http.security import new_key


def key() -> None:
    """Make a key, and its SHA-256 for FAQ_ADMIN_KEYS or FAQ_ASK_KEYS."""
    secret, digest = new_key()
    out.print(f"key:    {secret}\nsha256: {digest}", highlight=False, soft_wrap=True)
