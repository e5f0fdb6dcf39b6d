"""What the cells of a table hold: texts, lists of texts, objects, and nothing. Knows no table."""

import re

from app.knowledge.readers.fields import Fields
from app.knowledge.readers.json_values import parse_json
from app.knowledge.readers.options import Limits
from app.knowledge.readers.row import BadRow

_SEPARATOR = re.compile(r"(?<!\\)\|")
_ABSENT = frozenset(("null", *(sign + word for sign in ("", "+", "-") for word in ("nan", "inf", "infinity"))))


def cell_value(name: str, cell: object, fields: Fields, limits: Limits) -> object:
    """The value of a cell of the field or metadata key `name`; None for an empty one.

    `NaN`, `null` and `Inf` are texts where the field is a text, and nothing elsewhere. Raises BadRow.
    """
    if not isinstance(cell, str):
        return _typed(name, cell, fields)
    if not cell.strip():
        return None
    if name in fields.lists:
        return split_texts(cell, limits)
    if name in fields.texts:
        return cell
    if cell.strip().lower() in _ABSENT:
        return None
    return parse_json(cell, limits) if name in fields.objects else cell


def _typed(name: str, cell: object, fields: Fields) -> object:
    """A number, true or false, as a sheet holds it; a text where the field is one."""
    if cell is None or not (name in fields.texts or name in fields.lists):
        return cell
    text = str(cell).upper() if isinstance(cell, bool) else str(cell)
    return [text] if name in fields.lists else text


def split_texts(cell: str, limits: Limits) -> list[object]:
    """The texts of one cell: a JSON array of texts, or texts separated by `|`, in which `\\|` stands for a `|`."""
    if cell.lstrip().startswith("[") and cell.rstrip().endswith("]"):
        try:
            value = parse_json(cell, limits)
        except BadRow:
            value = None
        if isinstance(value, list) and all(isinstance(item, str) for item in value):
            return value
    return [text.replace("\\|", "|") for text in _SEPARATOR.split(cell)]


def is_split(cell: str) -> bool:
    """True for a cell that is separated into several texts by `|`."""
    return bool(_SEPARATOR.search(cell)) and not (cell.lstrip().startswith("[") and cell.rstrip().endswith("]"))
