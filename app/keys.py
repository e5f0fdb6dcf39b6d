"""API keys as the settings hold them: a name, a scope and the SHA-256 digest of the key."""

import re
from dataclasses import dataclass
from typing import Literal, get_args

KeyScope = Literal["ask", "edit", "publish", "admin"]

SCOPES: tuple[KeyScope, ...] = get_args(KeyScope)
GRANTS: dict[KeyScope, frozenset[KeyScope]] = {
    "ask": frozenset({"ask"}),
    "edit": frozenset({"ask", "edit"}),
    "publish": frozenset({"ask", "publish"}),
    "admin": frozenset(SCOPES),
}
_NAME = re.compile(r"^[a-z0-9][a-z0-9_.@-]{0,62}$")
_DIGEST = re.compile(r"^[0-9a-f]{64}$")


@dataclass(frozen=True)
class NamedKey:
    """One key that is accepted; written `name:scope:digest`."""

    name: str
    scope: KeyScope
    digest: str

    @classmethod
    def of(cls, value: object) -> "NamedKey":
        """Raises ValueError saying which part is wrong. The message never holds the digest, which may be a key."""
        if isinstance(value, NamedKey):
            return value
        parts = str(value).split(":")
        if len(parts) != 3:
            raise ValueError(
                "a key is written as name:scope:digest; `python -m app key --name ann --scope edit` makes it"
            )
        name, scope, digest = parts
        check_name(name)
        if scope not in SCOPES:
            raise ValueError(f"the key `{name}` has an unknown scope; the scopes are {', '.join(SCOPES)}")
        if not _DIGEST.match(digest):
            raise ValueError(f"the key `{name}` needs a SHA-256 digest: 64 hexadecimal digits")
        return cls(name, scope, digest)

    def __str__(self) -> str:
        return f"{self.name}:{self.scope}:{self.digest}"


def check_name(name: str) -> str:
    """The name of a key, which history and log show. Raises ValueError."""
    if not _NAME.match(name):
        raise ValueError(
            "the name of a key has 1 to 63 of the characters a-z, 0-9, `_`, `.`, `@` and `-`, "
            "and begins with one of a-z, 0-9"
        )
    return name
