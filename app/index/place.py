"""Which points of a collection on a Qdrant server are a release."""

from collections.abc import Collection
from dataclasses import dataclass

from qdrant_client import models

from app.index.layout import alive
from app.index.protocol import KEYS


@dataclass(frozen=True)
class Place:
    """Where a release is. `increment`: its number; None in a collection of a version before increments.

    `hidden`: the ids of entries to leave out.
    """

    collection: str
    increment: int | None
    hidden: tuple[str, ...] = ()

    def condition(self, *conditions: models.Filter | None) -> models.Filter | None:
        """A filter for the points of the release that meet all conditions."""
        wanted = [condition for condition in conditions if condition]
        if self.increment is not None:
            wanted.append(alive(self.increment))
        if self.hidden:
            wanted.append(models.Filter(must_not=[with_ids(self.hidden)]))
        return models.Filter(must=list(wanted)) if wanted else None


def with_ids(ids: Collection[str]) -> models.FieldCondition:
    """A condition for the entries of these ids."""
    return models.FieldCondition(key="id", match=models.MatchAny(any=list(ids)))


def holding(keys: Collection[str]) -> models.Filter:
    """A filter for the entries that have any of the keys."""
    return models.Filter(must=[models.FieldCondition(key=KEYS, match=models.MatchAny(any=list(keys)))])
