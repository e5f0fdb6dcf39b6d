"""JSON: one object a line, an array of objects, or an object that holds one such array."""

from collections.abc import Iterable, Iterator
from itertools import islice

from app.errors import Place
from app.knowledge.readers.json_values import Cursor, parse_json
from app.knowledge.readers.row import BadRow, Row
from app.knowledge.readers.row_file import RowFile
from app.text.limits import kind_of_value


def rows(text: str, file: RowFile) -> Iterator[Row]:
    """The objects, each at the line where it begins. A document that is broken is one bad row."""
    start = text.lstrip()[:1]
    if start == "[" or (start == "{" and _is_document(text, file)):
        file.format = "JSON"
        yield from _document(text, file)
    else:
        file.format = "JSON lines"
        yield from _lines(_split(text), file)


def are_lines(file: RowFile) -> bool:
    """True for a file in UTF-8 whose first two lines that are not empty are objects. Reads no other lines."""
    with file.lines() as lines:
        first_two = list(islice((line for line in lines if not line.isspace()), 2))
    return len(first_two) == 2 and all(_parses(line, file) for line in first_two)


def lines_of_file(file: RowFile) -> Iterator[Row]:
    """The rows of a file of JSON lines in UTF-8, one at a time, so that its text is never in memory as a whole."""
    file.format = "JSON lines"
    with file.lines() as lines:
        yield from _lines(enumerate((line.removesuffix("\n") for line in lines), start=1), file)


def as_object(value: object) -> dict[str, object]:
    """The value, which must be an object. Raises BadRow."""
    if not isinstance(value, dict):
        raise BadRow(f"must be an object, not {kind_of_value(value)}")
    return value


def _is_document(text: str, file: RowFile) -> bool:
    """True for one object over several lines, and for one on a single line that is a wrapper, not a row."""
    lines = (line for _, line in _split(text) if line and not line.isspace())
    first, second = next(lines, ""), next(lines, None)
    try:
        value = parse_json(first, file.options.limits)
    except BadRow:
        return second is not None and not _parses(second, file)
    return second is None and isinstance(value, dict) and "answer" not in value and bool(_lists(value))


def _parses(line: str, file: RowFile) -> bool:
    try:
        return isinstance(parse_json(line, file.options.limits), dict)
    except BadRow:
        return False


def _lists(values: dict[str, object]) -> list[str]:
    """The keys that hold a list of objects."""
    return [key for key, value in values.items() if isinstance(value, list) and value and isinstance(value[0], dict)]


def _lines(lines: Iterable[tuple[int, str]], file: RowFile) -> Iterator[Row]:
    for number, line in lines:
        if line and not line.isspace():
            try:
                yield Row(Place(number), as_object(parse_json(line, file.options.limits)))
            except BadRow as error:
                file.reject(Place(number), str(error))


def _split(text: str) -> Iterator[tuple[int, str]]:
    """Lines with their numbers, one at a time, so that they need no memory of their own."""
    number, start = 1, 0
    while (end := text.find("\n", start)) >= 0:
        yield number, text[start:end]
        number, start = number + 1, end + 1
    yield number, text[start:]


def _document(text: str, file: RowFile) -> Iterator[Row]:
    cursor = Cursor(text, file.options.limits)
    try:
        elements = cursor.elements() if cursor.peek() == "[" else _wrapped(cursor, file)
        for line, value in elements:
            try:
                yield Row(Place(line), as_object(value))
            except BadRow as error:
                file.reject(Place(line), str(error))
        if cursor.peek():
            file.reject(Place(cursor.line), "broken JSON: nothing may follow what ends here")
    except BadRow as error:
        file.reject(Place(error.line or cursor.line), str(error))


def _wrapped(cursor: Cursor, file: RowFile) -> Iterator[tuple[int, object]]:
    """The elements of the one list of objects in an object, or the object itself where it holds none."""
    start = cursor.line
    values, lines = _members(cursor)
    lists = _lists(values)
    if len(lists) > 1:
        raise BadRow(f"holds {len(lists)} lists of objects: {_named(lists)}; keep the one that is the FAQ", line=start)
    if not lists:
        yield start, values
        return
    if beside := [key for key in values if key != lists[0] and not key.startswith(("_", "$"))]:
        file.warn("not_taken", f"beside the list `{lists[0]}` there is {_named(beside)}, which no entry holds")
    items = values[lists[0]]
    assert isinstance(items, list)  # noqa: S101  `_lists` says so
    yield from zip(lines[lists[0]], items, strict=True)


def _members(cursor: Cursor) -> tuple[dict[str, object], dict[str, list[int]]]:
    """The members of the object that comes next, and for those that are arrays the lines of their elements."""
    values: dict[str, object] = {}
    lines: dict[str, list[int]] = {}
    cursor.take("{")
    while cursor.peek() == '"':
        key = str(cursor.value())
        if not cursor.take(":"):
            raise BadRow(f"broken JSON: a colon should follow `{key}`", line=cursor.line)
        if cursor.peek() == "[":
            elements = list(cursor.elements())
            lines[key], values[key] = [line for line, _ in elements], [value for _, value in elements]
        else:
            values[key] = cursor.value()
        if not cursor.take(","):
            break
    if not cursor.take("}"):
        raise BadRow("broken JSON: the object should go on or end here", line=cursor.line)
    return values, lines


def _named(keys: list[str]) -> str:
    return ", ".join(f"`{key}`" for key in keys)
