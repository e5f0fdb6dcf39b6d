"""Filters on metadata as the conditions of a Qdrant server."""

from collections.abc import Iterable, Mapping
from typing import Any

from qdrant_client import models

from app.index.filters import AnyOf, Filter, Kind, Range, Scalar, kind_of

FLAGS = "flags"  # the key of a payload's booleans as texts


def flags_of(metadata: Mapping[str, Any]) -> list[str]:
    """The booleans of an entry's metadata, each as one text: `open=true`."""
    return [_flag(field, value) for field, value in metadata.items() if isinstance(value, bool)]


def path(field: str, kind: Kind) -> str:
    """The JSON path in a payload to index for a field; quoted, so that dots and spaces are part of the name."""
    return FLAGS if kind == "flag" else f'metadata."{field}"'


def condition_of(where: Filter) -> models.Filter | None:
    """Every field must match, by any of its values. None for an empty filter."""
    if not where:
        return None
    return models.Filter(must=[_field(field, condition) for field, condition in where.items()])


def _field(field: str, wanted: AnyOf | Range) -> models.Condition:
    if isinstance(wanted, Range):
        return _range(field, wanted.gte, wanted.lte)
    return models.Filter(should=list(_alternatives(field, wanted.values)))


def _alternatives(field: str, values: tuple[Scalar, ...]) -> Iterable[models.Condition]:
    """One condition for all texts. A number is a range of one point, because equality does not accept fractions."""
    if texts := [value for value in values if isinstance(value, str)]:
        yield models.FieldCondition(key=path(field, "text"), match=models.MatchAny(any=texts))
    if flags := [_flag(field, value) for value in values if isinstance(value, bool)]:
        yield models.FieldCondition(key=FLAGS, match=models.MatchAny(any=flags))
    for value in values:
        if kind_of(value) == "number":
            yield _range(field, value, value)


def _range(field: str, gte: Any, lte: Any) -> models.FieldCondition:  # noqa: ANN401
    return models.FieldCondition(key=path(field, "number"), range=models.Range(gte=gte, lte=lte))


def _flag(field: str, value: bool) -> str:
    return f"{field}={str(value).lower()}"
