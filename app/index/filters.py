"""Filters on metadata, and their translation for the two Qdrant libraries."""

import math
from collections.abc import Callable, Iterable, Mapping
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
    """Whether an entry's metadata meets a filter, exactly as the engine says of the entry's payload."""
    return all(_meets(condition, metadata.get(field)) for field, condition in where.items())


def _meets(condition: AnyOf | Range, value: Any) -> bool:  # noqa: ANN401
    items = value if isinstance(value, list) else [value]
    if isinstance(condition, AnyOf):
        return any(_equal(item, wanted) for item in items for wanted in condition.values)
    low = -math.inf if condition.gte is None else float(condition.gte)
    high = math.inf if condition.lte is None else float(condition.lte)
    return any(kind_of(item) == "number" and low <= float(item) <= high for item in items)


def _equal(item: Any, wanted: Scalar) -> bool:  # noqa: ANN401
    """Equality of values of one kind; numbers are compared as the 64-bit floats that the engine makes of them."""
    if item is None or kind_of(item) != kind_of(wanted):
        return False
    return float(item) == float(wanted) if kind_of(wanted) == "number" else bool(item == wanted)


FLAGS = "flags"  # the key of a payload's booleans as texts; the embedded engine cannot match booleans


def flags_of(metadata: Mapping[str, Any]) -> list[str]:
    """The booleans of an entry's metadata, each as one text: `open=true`."""
    return [_flag(field, value) for field, value in metadata.items() if isinstance(value, bool)]


def _flag(field: str, value: bool) -> str:
    return f"{field}={str(value).lower()}"


def path(field: str, kind: Kind) -> str:
    """The JSON path in a payload to index for a field; quoted, so that dots and spaces are part of the name."""
    return FLAGS if kind == "flag" else f'metadata."{field}"'


@dataclass(frozen=True)
class Dialect:
    """The filter classes of one Qdrant library. The embedded engine and the client have the same classes."""

    filter: Callable[..., Any]
    condition: Callable[..., Any]
    any: Callable[..., Any]
    range: Callable[..., Any]

    def translate(self, where: Filter) -> Any:  # noqa: ANN401 - either library's Filter
        """The library's filter: every field must match, by any of its values. None for an empty filter."""
        if not where:
            return None
        return self.filter(must=[self._field(field, condition) for field, condition in where.items()])

    def _field(self, field: str, wanted: AnyOf | Range) -> Any:  # noqa: ANN401
        if isinstance(wanted, Range):
            return self._range(field, wanted.gte, wanted.lte)
        return self.filter(should=list(self._alternatives(field, wanted.values)))

    def _alternatives(self, field: str, values: tuple[Scalar, ...]) -> Iterable[Any]:
        """One condition for all texts. A number is a range of one point, because equality does not accept fractions."""
        if texts := [value for value in values if isinstance(value, str)]:
            yield self.condition(key=path(field, "text"), match=self.any(any=texts))
        if flags := [_flag(field, value) for value in values if isinstance(value, bool)]:
            yield self.condition(key=FLAGS, match=self.any(any=flags))
        for value in values:
            if kind_of(value) == "number":
                yield self._range(field, value, value)

    def _range(self, field: str, gte: Any, lte: Any) -> Any:  # noqa: ANN401
        return self.condition(key=path(field, "number"), range=self.range(gte=gte, lte=lte))
