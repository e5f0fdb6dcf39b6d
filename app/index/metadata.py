"""The metadata of all entries as inverted lists: which entries meet a filter.

metadata/keys.npy     (keys,) uint64, ascending: hashes of a field and one of its texts or flags
metadata/holders.npy  (keys,) uint32: the entry of each
metadata/fields.npy   (fields,) uint64, ascending: hashes of the fields that hold numbers
metadata/starts.npy   (fields + 1,) int64: where the numbers of each field begin
metadata/numbers.npy  (numbers,) float64: field by field, ascending
metadata/owners.npy   (numbers,) uint32: the entry of each
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from app.arrays import Flags, Floats, Integers
from app.index.array_files import map_arrays, save_arrays
from app.index.filters import AnyOf, Filter, Range, kind_of

METADATA = "metadata"
ARRAYS = ("keys", "holders", "fields", "starts", "numbers", "owners")


@dataclass(frozen=True)
class Metadata:
    """The arrays of the files, and the number of entries."""

    keys: NDArray[np.uint64]
    holders: NDArray[np.uint32]
    fields: NDArray[np.uint64]
    starts: Integers
    numbers: Floats
    owners: NDArray[np.uint32]
    count: int

    @classmethod
    def open(cls, directory: Path, entries: int) -> Self:
        """Map the files. Raises IndexUnavailable where one is missing or damaged."""
        keys, holders, fields, starts, numbers, owners = map_arrays(directory / METADATA, ARRAYS)
        return cls(keys, holders, fields, starts, numbers, owners, entries)

    def save(self, directory: Path) -> None:
        """Write the files."""
        save_arrays(directory / METADATA, **{name: getattr(self, name) for name in ARRAYS})

    def meeting(self, where: Filter) -> Flags:
        """Whether each entry meets a filter, (entries,), exactly as `filters.matches` says."""
        meeting = np.ones(self.count, dtype=bool)
        for field, condition in where.items():
            of_field = np.zeros(self.count, dtype=bool)
            for holders in self._holders(field, condition):
                of_field[holders] = True
            meeting &= of_field
        return meeting

    def _holders(self, field: str, condition: AnyOf | Range) -> Iterable[NDArray[np.uint32]]:
        if isinstance(condition, Range):
            yield self._between(field, condition.gte, condition.lte)
            return
        for value in condition.values:
            if isinstance(value, str | bool):
                yield self.holders[_equal(self.keys, _hash(field, value))]
            else:
                yield self._between(field, value, value)

    def _between(self, field: str, low: float | None, high: float | None) -> NDArray[np.uint32]:
        for place in range(len(self.fields))[_equal(self.fields, _hash(field))]:
            start, end = self.starts[place : place + 2].tolist()
            numbers = self.numbers[start:end]
            first = 0 if low is None else int(np.searchsorted(numbers, float(low)))
            after = len(numbers) if high is None else int(np.searchsorted(numbers, float(high), "right"))
            return self.owners[start + first : start + max(first, after)]
        return self.owners[:0]


class MetadataWriter:
    """Collects the metadata of entries."""

    def __init__(self) -> None:
        self._keys: list[int] = []
        self._holders: list[int] = []
        self._numbers: dict[int, list[tuple[float, int]]] = {}
        self._count = 0

    def add(self, metadata: Mapping[str, Any]) -> None:
        """Add the metadata of the next entry."""
        for field, value in metadata.items():
            for item in value if isinstance(value, list) else [value]:
                if item is None:
                    continue
                if kind_of(item) == "number":
                    self._numbers.setdefault(_hash(field), []).append((float(item), self._count))
                else:
                    self._keys.append(_hash(field, item))
                    self._holders.append(self._count)
        self._count += 1

    def metadata(self) -> Metadata:
        """The metadata of all entries added."""
        keys, holders = np.array(self._keys, dtype=np.uint64), np.array(self._holders, dtype=np.uint32)
        order = np.argsort(keys, kind="stable")
        fields = sorted(self._numbers)
        pairs = [pair for field in fields for pair in sorted(self._numbers[field])]
        return Metadata(
            keys=keys[order],
            holders=holders[order],
            fields=np.array(fields, dtype=np.uint64),
            starts=np.cumsum([0, *(len(self._numbers[field]) for field in fields)]),
            numbers=np.array([number for number, _ in pairs], dtype=np.float64),
            owners=np.array([owner for _, owner in pairs], dtype=np.uint32),
            count=self._count,
        )


def _hash(field: str, value: str | bool | None = None) -> int:
    text = json.dumps([field] if value is None else [field, value])
    return int.from_bytes(blake2b(text.encode(), digest_size=8).digest())


def _equal(ascending: NDArray[np.uint64], wanted: int) -> slice:
    """Where an array holds a value."""
    value = np.uint64(wanted)
    return slice(int(np.searchsorted(ascending, value)), int(np.searchsorted(ascending, value, "right")))
