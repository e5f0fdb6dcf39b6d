"""Filters on metadata; `index.conditions` translates them for a Qdrant server."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from app.errors import InputError

Kind = Literal["text", "number", "flag"]
Scalar = str | int | float | bool


@dataclass(frozen=True, slots=True)
class Range:
    """A numeric range, both ends included; None is open."""

    gte: float | None = None
    lte: float | None = None


@dataclass(frozen=True, slots=True)
class AnyOf:
    """Equality with any of the values; a field that holds a list matches by any of its items."""

    values: tuple[Scalar, ...]


Filter = Mapping[str, AnyOf | Range]  # every field must match


def fields_of(payloads: Iterable[Mapping[str, Any]]) -> dict[str, list[Kind]]:
    """The metadata fields of the entries, sorted, and the kinds of value that each holds."""
    fields = FieldKinds()
    for payload in payloads:
        fields.add(payload["metadata"])
    return fields.listed()


class FieldKinds:
    """Collects the metadata fields that filters may name, and the kinds of value that each holds.

    A name with a double quote is left out, because no path in a payload can name it.
    """

    def __init__(self) -> None:
        self._kinds: dict[str, set[Kind]] = {}

    def add(self, metadata: Mapping[str, Any]) -> None:
        """Count in the metadata of one entry."""
        for key, value in metadata.items():
            if '"' in key:
                continue
            kinds = {kind_of(item) for item in (value if isinstance(value, list) else [value])}
            self._kinds.setdefault(key, set()).update(kinds)

    def add_fields(self, fields: Mapping[str, Iterable[Kind]]) -> None:
        """Count in the fields of an index, with their kinds."""
        for key, kinds in fields.items():
            self._kinds.setdefault(key, set()).update(kinds)

    def listed(self) -> dict[str, list[Kind]]:
        """The fields, sorted, each with its kinds, sorted."""
        return {key: sorted(kinds) for key, kinds in sorted(self._kinds.items())}


def kind_of(value: object) -> Kind:
    """The kind of a metadata value."""
    if isinstance(value, bool):
        return "flag"
    return "number" if isinstance(value, (int, float)) else "text"


def check(where: Filter, fields: Mapping[str, list[Kind]]) -> None:
    """Raises InputError naming a field that no entry has, or one that is compared with a value of another kind."""
    for field, condition in where.items():
        kinds = fields.get(field)
        if kinds is None:
            known = ", ".join(fields) or "none, as no entry has metadata"
            raise InputError(f"No entry has the field `{field}`. Fields to filter by: {known}.", f"filters.{field}")
        wanted = {"number"} if isinstance(condition, Range) else {kind_of(value) for value in condition.values}
        if not wanted & set(kinds):
            raise InputError(
                f"`{field}` holds {' and '.join(kinds)}, not {' or '.join(sorted(wanted))}.", f"filters.{field}"
            )


def matches(where: Filter, metadata: Mapping[str, Any]) -> bool:
    """Whether an entry's metadata meets a filter, exactly as a Qdrant server says of the entry's payload."""
    return all(_meets(condition, metadata.get(field)) for field, condition in where.items())


def _meets(condition: AnyOf | Range, value: Any) -> bool:  # noqa: ANN401
    items = value if isinstance(value, list) else [value]
    if isinstance(condition, AnyOf):
        return any(_equal(item, wanted) for item in items for wanted in condition.values)
    low = -math.inf if condition.gte is None else float(condition.gte)
    high = math.inf if condition.lte is None else float(condition.lte)
    return any(kind_of(item) == "number" and low <= float(item) <= high for item in items)


def _equal(item: Any, wanted: Scalar) -> bool:  # noqa: ANN401
    """Equality of values of one kind; numbers are compared as the 64-bit floats that a server makes of them."""
    if item is None or kind_of(item) != kind_of(wanted):
        return False
    return float(item) == float(wanted) if kind_of(wanted) == "number" else bool(item == wanted)
