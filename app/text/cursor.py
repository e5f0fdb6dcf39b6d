"""Cursors of lists as texts that are opaque to the caller: JSON values in URL-safe base64."""

import base64
import json
from collections.abc import Sequence

UNREADABLE = (ValueError, TypeError, OverflowError, RecursionError)  # what a text that is no cursor may raise


def encoded(parts: Sequence[object]) -> str:
    """The text of the values."""
    return base64.urlsafe_b64encode(json.dumps(parts, ensure_ascii=False).encode()).decode().rstrip("=")


def decoded(text: str) -> object:
    """The JSON value in a text. Raises one of UNREADABLE where there is none. Other texts than those of `encoded` may
    give a value too, so callers compare."""
    return json.loads(base64.b64decode(text + "=" * (-len(text) % 4), b"-_"))
