"""Intents of chat bots: `tag`, `patterns`, `responses`. A tag is an entry, its first response the answer."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from app.errors import Place
from app.knowledge.readers.row import Row
from app.knowledge.readers.row_file import RowFile
from app.knowledge.text import kind_of_value

FORMAT = "intents"
_KEYS = ("tag", "patterns", "responses")


@dataclass
class _Intent:
    place: Place
    patterns: list[object] = field(default_factory=list)
    responses: list[object] = field(default_factory=list)
    metadata: dict[str, object] = field(default_factory=dict)


def is_intent(values: Mapping[str, object]) -> bool:
    """True for a row that is an intent."""
    return "patterns" in values and "responses" in values


def joined(rows: Iterable[Row], file: RowFile) -> Iterator[Row]:
    """The intents of each tag as one row."""
    intents: dict[str, _Intent] = {}
    for number, row in enumerate(rows):
        tag = row.values.get("tag")
        name = f"row {number}" if tag is None else str(tag)
        if name in intents:
            file.warn(
                "rows_joined", f"the tag `{name}` is on {intents[name].place} too; the rows are one entry", row.place
            )
        intent = intents.setdefault(name, _Intent(row.place))
        _take(intent, row, file)
    for intent in intents.values():
        yield from _row(intent, file)


def _take(intent: _Intent, row: Row, file: RowFile) -> None:
    for key, into in (("patterns", intent.patterns), ("responses", intent.responses)):
        value = row.values.get(key)
        texts = [value] if isinstance(value, str) else value
        if not isinstance(texts, list):
            file.reject(row.place, f"`{key}` must be a list of texts, not {kind_of_value(value)}", key)
            continue
        into += [text for text in texts if text is not None and not (isinstance(text, str) and not text.strip())]
    tag = {} if row.values.get("tag") is None else {"id": row.values["tag"]}
    rest = {key: value for key, value in row.values.items() if key not in _KEYS}
    for key, value in (tag | rest).items():
        if value not in (None, "", [], [""]):
            intent.metadata.setdefault(key, value)


def _row(intent: _Intent, file: RowFile) -> Iterator[Row]:
    if not intent.responses:
        file.reject(intent.place, "needs `responses`; it has none", "responses")
        return
    answer, *others = intent.responses
    if others:
        shown = "; ".join(f"“{other}”" for other in others)
        file.warn("not_taken", f"the first response is the answer; not taken: {shown}", intent.place)
    question, *alternatives = intent.patterns or [""]
    yield Row(intent.place, intent.metadata | {"question": question, "alternatives": alternatives, "answer": answer})
