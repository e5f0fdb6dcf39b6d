"""Items in batches: for queries, transactions and files that take some hundred at a time."""

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import TypeVar

T = TypeVar("T")


def batches(items: Iterable[T], size: int) -> Iterator[list[T]]:
    """The items in their order, as lists of `size`, of which the last may be shorter. Reads `items` batch by batch."""
    rest = iter(items)
    while batch := list(islice(rest, size)):
        yield batch
