"""Values out of a YAML text, from the parser's events: bounded in depth and in what aliases repeat. Knows no rows.

Scalars are typed as YAML 1.2's core schema types them: `No`, `12:30` and `2026-01-01` are texts.
"""

import math
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import NamedTuple, TypeAlias

import yaml

from app.knowledge.readers.options import Limits
from app.knowledge.readers.row import BadRow

_MOST_REPEATED = 1_000_000  # values that aliases and merge keys may repeat
_NULLS = frozenset(("", "~", "null", "Null", "NULL"))
_BOOLEANS = {"true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False}
_INTEGER = re.compile(r"[-+]?(?:0|[1-9][0-9]{0,30})")
_FLOAT = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]{1,30}(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]{1,5})?")
_NOT_FINITE = re.compile(r"[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)")
_TAGS = frozenset("tag:yaml.org,2002:" + name for name in ("str", "seq", "map", "int", "float", "bool", "null"))
_MERGE = "<<"


class Scalar(NamedTuple):
    """A scalar as it is written, and its value."""

    text: str
    value: object


class Items(list["Value"]):
    """A list, and the line of each of its items."""

    def __init__(self, values: "Iterable[Value]", lines: list[int]) -> None:
        super().__init__(values)
        self.lines = lines


Value: TypeAlias = "Scalar | Items | dict[str, Value]"


class Root(NamedTuple):
    """The value of a document, and the line where it begins."""

    line: int
    value: Value


@dataclass
class _Open:
    """A list or a mapping whose end has not come yet. A mapping's values are its keys and values by turns."""

    line: int
    mapping: bool
    anchor: str | None
    count: int  # of values before it
    values: list[Value] = field(default_factory=list)
    lines: list[int] = field(default_factory=list)


def roots(text: str, limits: Limits) -> Iterator[Root]:
    """The root of each document. Raises BadRow, with the line, for what is broken, unsafe or too large."""
    builder = _Builder(limits)
    try:
        for event in yaml.parse(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader)):
            root = builder.take(event)
            if root:
                yield root
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        raise BadRow(f"broken YAML: {error.problem or error.context}", line=mark.line + 1 if mark else 1) from error
    except (yaml.YAMLError, ValueError) as error:
        raise BadRow(str(error) if isinstance(error, BadRow) else f"broken YAML: {error}", line=builder.line) from error


def plain(value: Value, text: bool = False) -> object:
    """The value without its spelling; with `text`, scalars that are not null are the texts that they are written as."""
    if isinstance(value, Scalar):
        return value.text if text and value.value is not None else value.value
    if isinstance(value, Items):  # metadata holds lists of texts only
        return [plain(item, text=True) if isinstance(item, Scalar) else item for item in value]
    return {key: plain(item) if isinstance(item, Scalar) else item for key, item in value.items()}


class _Builder:
    """Puts values together from events, without recursion."""

    def __init__(self, limits: Limits) -> None:
        self.line = 1
        self._limits = limits
        self._open: list[_Open] = []
        self._anchors: dict[str, tuple[Value, int]] = {}
        self._count = self._repeated = 0

    def take(self, event: yaml.Event) -> Root | None:
        """One event; returns the root where the event ends it. Raises BadRow."""
        self.line = event.start_mark.line + 1 if event.start_mark else self.line
        if isinstance(event, yaml.ScalarEvent):
            return self._add(_scalar(event), event.anchor, self._count)
        if isinstance(event, yaml.AliasEvent):
            return self._alias(event.anchor or "")
        if isinstance(event, yaml.CollectionStartEvent):
            self._begin(event)
        elif isinstance(event, yaml.CollectionEndEvent):
            ended = self._open.pop()
            value: Value = self._mapping(ended.values) if ended.mapping else Items(ended.values, ended.lines)
            self.line = ended.line
            return self._add(value, ended.anchor, ended.count)
        elif isinstance(event, yaml.DocumentEndEvent):
            self._anchors.clear()
        return None

    def _begin(self, event: yaml.CollectionStartEvent) -> None:
        _check_tag(event.tag)
        if len(self._open) >= self._limits.nesting:
            raise BadRow(f"nested deeper than {self._limits.nesting} levels (FAQ_IMPORT_MAX_NESTING)")
        mapping = isinstance(event, yaml.MappingStartEvent)
        self._open.append(_Open(self.line, mapping, event.anchor, self._count))

    def _alias(self, anchor: str) -> Root | None:
        if anchor not in self._anchors:
            raise BadRow(f"the alias `*{anchor}` stands for nothing before it")
        value, size = self._anchors[anchor]
        self._repeat(size)
        return self._add(value, None, self._count - size)

    def _repeat(self, size: int) -> None:
        self._count += size
        self._repeated += size
        if self._repeated > _MOST_REPEATED:
            raise BadRow(f"aliases repeat more than {_MOST_REPEATED:,} values; write them out")

    def _add(self, value: Value, anchor: str | None, before: int) -> Root | None:
        self._count += 1
        if self._count - self._repeated > self._limits.cells:
            raise BadRow(f"has more than {self._limits.cells:,} values (FAQ_IMPORT_MAX_CELLS)")
        if anchor:
            self._anchors[anchor] = value, self._count - before
        if not self._open:
            return Root(self.line, value)
        self._open[-1].values.append(value)
        self._open[-1].lines.append(self.line)
        return None

    def _mapping(self, values: list[Value]) -> dict[str, Value]:
        mapping: dict[str, Value] = {}
        merged: list[Value] = []
        for key, value in zip(values[::2], values[1::2], strict=True):
            if not isinstance(key, Scalar):
                raise BadRow("a key must be text, not a list or a mapping")
            if key.text == _MERGE:
                merged += value if isinstance(value, Items) else [value]
            elif key.text in mapping:
                raise BadRow(f"has the key `{key.text}` twice")
            else:
                mapping[key.text] = value
        for other in merged:
            if not isinstance(other, dict):
                raise BadRow("what `<<` merges must be a mapping")
            self._repeat(len(other))
            mapping = other | mapping
        return mapping


def _scalar(event: yaml.ScalarEvent) -> Scalar:
    _check_tag(event.tag)
    text = event.value
    quoted = not event.implicit[0] if event.tag is None else event.tag.endswith(":str")
    return Scalar(text, text if quoted else _typed(text))


def _check_tag(tag: str | None) -> None:
    if tag not in (None, "!") and tag not in _TAGS:
        raise BadRow(f"the tag `{tag}` is not read; plain texts, numbers, lists and mappings are")


def _typed(text: str) -> object:
    if text in _NULLS or _NOT_FINITE.fullmatch(text):
        return None
    if text in _BOOLEANS:
        return _BOOLEANS[text]
    if _INTEGER.fullmatch(text):
        return int(text)
    if _FLOAT.fullmatch(text):
        number = float(text)
        return number if math.isfinite(number) else None
    return text
