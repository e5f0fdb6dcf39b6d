"""Options of a command as the fields of dataclasses, for commands with more options than a signature can hold."""

import inspect
from collections.abc import Callable
from dataclasses import fields
from typing import Any


def command_of(name: str, run: Callable[..., None], *groups: type) -> Callable[..., None]:
    """A command for typer that calls `run` with one object of each group, a dataclass; each field is an option.

    Typer reads the options from the command's signature: their types, defaults and help.
    """

    def command(**values: Any) -> None:  # noqa: ANN401 - typer has checked the types
        run(*(group(**{field.name: values[field.name] for field in fields(group)}) for group in groups))

    parameters = [
        parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY)
        for group in groups
        for parameter in inspect.signature(group).parameters.values()
    ]
    command.__name__, command.__doc__ = name, run.__doc__
    command.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]  # `inspect` reads it
    return command
