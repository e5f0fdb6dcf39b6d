"""Exports of QnA Maker and Custom Question Answering, TSV or XLSX: the rows of one QnaId are one entry.

Prompts become follow-ups; they also stay as metadata, since the text that they show may differ from the question.
"""

from collections.abc import Iterable, Iterator
from types import MappingProxyType

from app.knowledge.readers.fields import Fields, folded
from app.knowledge.readers.json_values import parse_json
from app.knowledge.readers.row import BadRow, Row
from app.knowledge.readers.row_file import RowFile

FORMAT = "QnA Maker"
FIELDS = Fields(
    names={
        "id": ("qnaid",),
        "question": (),
        "answer": (),
        "metadata": (),
        "source": (),
        "sourcedisplayname": (),
        "prompts": (),
        "suggestedquestions": (),
        "iscontextonly": (),
    },
    required=("question", "answer"),
    texts=frozenset(("id", "question", "answer", "metadata", "prompts", "suggestedquestions", "iscontextonly")),
)
_ESCAPES = MappingProxyType({"\\n": "\n", "\\r": "\r", "\\t": "\t"})


def is_header(names: Iterable[object]) -> bool:
    """True for the header of such an export."""
    return {"question", "answer", "qnaid"} <= {folded(str(name)) for name in names}


def joined(rows: Iterable[Row], file: RowFile) -> Iterator[Row]:
    """The rows of each QnaId as one row, whose first question is the question and the others its alternatives."""
    entries: dict[str, Row] = {}
    for number, row in enumerate(rows):
        question = _unescaped(row.values["question"])
        name = row.values.get("id")
        entry = entries.setdefault(str(name) if name is not None else f"row {number}", _entry(row, file))
        if entry.place == row.place:
            continue
        if entry.values["answer"] != _unescaped(row.values["answer"]):
            file.reject(row.place, f"the QnaId {name} is on {entry.place} too, with another answer", "answer")
        alternatives = entry.values["alternatives"]
        if isinstance(alternatives, list):
            alternatives.append(question)
    yield from entries.values()


def _entry(row: Row, file: RowFile) -> Row:
    """A row with the fields of an entry. Prompts and suggestions stay as the JSON texts that they are."""
    values = {key: value for key, value in row.values.items() if value is not None and value != "[]"}
    values["answer"], values["question"] = _unescaped(values["answer"]), _unescaped(values["question"])
    values["alternatives"] = []
    values["entry.follow_ups"] = list(_prompted(values.get("prompts"), file))
    if str(values.pop("iscontextonly", "")).casefold() == "true":
        values["iscontextonly"] = True
    values["metadata"] = dict(_pairs(values.pop("metadata", "")))
    return Row(row.place, values)


def _prompted(cell: object, file: RowFile) -> Iterator[str]:
    """The QnaIds of the prompts, in the order in which they are shown; none where the cell is no JSON of prompts."""
    try:
        prompts = parse_json(cell, file.options.limits) if isinstance(cell, str) else None
    except BadRow:
        return
    targets = []
    for prompt in prompts if isinstance(prompts, list) else ():
        keys = {folded(key): value for key, value in prompt.items()} if isinstance(prompt, dict) else {}
        order, target = keys.get("displayorder"), keys.get("qnaid")
        if isinstance(target, int | str) and not isinstance(target, bool):
            targets.append((order if isinstance(order, int) else 0, str(target)))
    yield from (target for _, target in sorted(targets, key=lambda place: place[0]))


def _pairs(cell: object) -> Iterator[tuple[str, str]]:
    """`topic:loans|lang:en` as pairs."""
    for part in str(cell).split("|"):
        key, colon, value = part.partition(":")
        if colon and key.strip():
            yield key.strip(), value.strip()


def _unescaped(value: object) -> str:
    text = str(value)
    for escape, character in _ESCAPES.items():
        text = text.replace(escape, character)
    return text
