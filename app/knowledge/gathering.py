"""From rows to entries: fields and metadata; rows of the same content become one entry. Knows no format."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from difflib import get_close_matches
from functools import partial
from typing import Any

from pydantic import ValidationError

from app.errors import Place
from app.knowledge.entry import RESERVED, Entry
from app.knowledge.readers.mojibake import repaired_values
from app.knowledge.readers.reading import read_rows
from app.knowledge.readers.row import BadRow, Row
from app.knowledge.readers.row_file import RowFile
from app.text.limits import kind_of_value

_ENTRY_FIELDS = ("id", "question", "answer", "alternatives", "negatives")
_LONGEST_SLIP = 20


@dataclass(slots=True)
class Group:
    """Rows of the same content. `given`: the ids that some of them have, each with its first place."""

    entry: Entry
    places: tuple[Place, ...] = ()
    given: tuple[tuple[str, Place], ...] = ()


Gathered = tuple[Entry, Group]


def gather(file: RowFile) -> list[Group]:
    """The file's rows, grouped by content, in file order. Bad rows are noted in `file`."""
    groups: dict[bytes, Group] = {}  # by digest of the content
    slips: dict[str, str | None] = {}
    for row in map(partial(_repaired, file), read_rows(file)):
        try:
            entry = Entry(**_fields(row, file, slips))
        except ValidationError as error:
            for reason, name in _reasons(error):
                file.reject(row.place, reason, name)
        except BadRow as error:
            file.reject(row.place, str(error), error.field)
        else:
            group = groups.setdefault(bytes.fromhex(entry.content_digest), Group(entry))
            group.places += (row.place,)
            if "id" in entry.model_fields_set and entry.id not in dict(group.given):
                group.given += ((entry.id, row.place),)
    return _of_distinct_ids(file, groups.values())


def near_miss(key: str) -> str | None:
    """The reserved name that a key probably stands for, if any. `question_id` is a name of its own, not a slip."""
    plain = key.strip().lower()
    if len(plain) > _LONGEST_SLIP or (plain not in RESERVED and RESERVED.intersection(re.split(r"[\W_]+", plain))):
        return None
    return next(iter(get_close_matches(plain, sorted(RESERVED), n=1, cutoff=0.8)), None)


def _fields(row: Row, file: RowFile, slips: dict[str, str | None]) -> dict[str, Any]:
    """A row as the fields of an entry; `slips` remembers the near misses. Raises BadRow."""
    present = {key: value for key, value in row.values.items() if value is not None}
    fields = {key: present.pop(key) for key in _ENTRY_FIELDS if key in present}
    if type(fields.get("id")) is int:
        fields["id"] = str(fields["id"])
    nested = present.pop("metadata", {})
    if not isinstance(nested, dict):
        raise BadRow(f"`metadata` must be an object, not {kind_of_value(nested)}")
    for key, value in present.items():
        if key not in slips:
            slips[key] = near_miss(key)
        if meant := slips[key]:
            file.warn("near_miss", f"`{key}` is kept as metadata; did you mean `{meant}`?", row.place)
        if nested.get(key, value) != value:
            raise BadRow(f"`{key}` is given twice, beside `metadata` and in it, with different values")
    return fields | {"metadata": present | nested}


def _repaired(file: RowFile, row: Row) -> Row:
    """The row, with its texts repaired if the option `fix_mojibake` is set."""
    if not file.options.fix_mojibake:
        return row
    values, changed = repaired_values(row.values)
    if changed:
        file.warn("mojibake", "was decoded in the wrong encoding; its text is repaired", row.place)
    return Row(row.place, values)


def _reasons(error: ValidationError) -> Iterator[tuple[str, str]]:
    for item in error.errors(include_url=False, include_input=False):
        if item["type"] != "default_factory_not_called":  # the id, which needs a good question and answer
            yield str(item.get("ctx", {}).get("error", item["msg"])), str(item["loc"][0])


def _of_distinct_ids(file: RowFile, groups: Iterable[Group]) -> list[Group]:
    """The groups without those that have an id of another one, which are noted as bad rows."""
    places: dict[str, Place] = {}
    kept = []
    for group in groups:
        repeated = False
        for name, place in group.given:
            first = places.setdefault(name, place)
            if first != place:
                earlier, later = sorted((first, place))
                file.reject(later, f"the id `{name}` is on {earlier} too, with other content", "id")
                repeated = True
        if not repeated:
            kept.append(group)
    return kept
