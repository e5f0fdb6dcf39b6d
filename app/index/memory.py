"""The memory that a value takes, for caches that are bounded by bytes."""

import sys


def memory_bytes(value: object) -> int:
    """The bytes of a JSON value with everything in it. An object that it holds twice counts twice."""
    own = sys.getsizeof(value)
    if isinstance(value, str):  # nearly all values are
        return own
    if isinstance(value, dict):
        return own + sum(memory_bytes(key) + memory_bytes(item) for key, item in value.items())
    if isinstance(value, list | tuple):
        return own + sum(map(memory_bytes, value))
    return own
