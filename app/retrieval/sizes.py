"""How much memory a payload takes, for caches that are bounded by bytes."""

import sys


def bytes_of(value: object) -> int:
    """Bytes of a value as JSON has them, everything inside it included; what stands in it twice counts twice."""
    own = sys.getsizeof(value)
    if isinstance(value, dict):
        return own + sum(bytes_of(key) + bytes_of(item) for key, item in value.items())
    if isinstance(value, list | tuple):
        return own + sum(map(bytes_of, value))
    return own
