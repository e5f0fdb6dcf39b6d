"""The command `key`."""

from app.cli.terminal import out
from app.http.security import new_key


def key() -> None:
    """Make a key: one line for its user, one for FAQ_ADMIN_KEYS or FAQ_ASK_KEYS."""
    made, digest = new_key()
    out.print(f"key:    {made}\nsha256: {digest}", highlight=False, soft_wrap=True)
