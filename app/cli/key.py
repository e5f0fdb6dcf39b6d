"""The command `key`: make an API key."""

from typing import Annotated

import typer

from app.cli.terminal import out, reporting_errors
from app.errors import InputError
from app.http.security import new_key
from app.keys import KeyScope, NamedKey, check_name


def key(
    name: Annotated[str | None, typer.Option(help="Who uses the key; history and log show it.")] = None,
    scope: Annotated[KeyScope | None, typer.Option(help="What the key may do, beside asking.")] = None,
) -> None:
    """Make a key. Its user keeps the line `key`; the other line is for FAQ_KEYS, or without --name and --scope for
    FAQ_ADMIN_KEYS or FAQ_ASK_KEYS."""
    with reporting_errors():
        if (name is None) != (scope is None):
            raise InputError("--name and --scope go together: `python -m app key --name ann --scope edit`.")
        key, digest = new_key()
        setting = f"sha256: {digest}"
        if name is not None and scope is not None:
            setting = f"FAQ_KEYS: {NamedKey(_checked(name), scope, digest)}"
        out.print(f"key:    {key}\n{setting}", highlight=False, soft_wrap=True)


def _checked(name: str) -> str:
    try:
        return check_name(name)
    except ValueError as error:
        raise InputError(f"--name: {error}.", "name") from None
