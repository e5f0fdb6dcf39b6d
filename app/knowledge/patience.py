"""Waiting for a database that is locked or away, where work cannot begin or end without it."""

from collections.abc import Callable
from typing import TypeVar

import stamina

from app.errors import StoreError

PATIENCE_S = 120.0

T = TypeVar("T")


def patiently(call: Callable[[], T]) -> T:
    """What `call` returns; it is tried again for PATIENCE_S while the database is locked or away. Raises StoreError."""
    for attempt in stamina.retry_context(on=_is_temporary, attempts=None, timeout=PATIENCE_S, wait_max=2.0):
        with attempt:
            return call()
    raise AssertionError("unreachable")


def _is_temporary(error: Exception) -> bool:
    return isinstance(error, StoreError) and error.temporary
