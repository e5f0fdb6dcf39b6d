"""Waiting for what another thread or process does."""

import time
from collections.abc import Callable

PATIENCE_S = 90.0  # enough for a slow and busy machine; costs nothing where the condition soon holds


def wait_until(condition: Callable[[], object], seconds: float = PATIENCE_S, every: float = 0.05) -> None:
    """Return once `condition()` is true. Raises AssertionError if it is not within `seconds`."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"the condition does not hold within {seconds:g} s"
        time.sleep(every)
