"""The texts of the ask page, one file a language."""

import tomllib
from functools import cache
from importlib.resources import files

Texts = dict[str, str]


@cache
def texts_of(language: str) -> Texts:
    """The texts of a language by their names: those of `texts/<language>.toml`."""
    return tomllib.loads(files("app.web").joinpath("texts", f"{language}.toml").read_text("utf-8"))
