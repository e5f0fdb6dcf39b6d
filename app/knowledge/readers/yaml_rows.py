"""YAML: a list of mappings, or a mapping that holds one such list; several documents follow each other."""

from collections.abc import Iterator

from app.errors import Place
from app.knowledge.readers.fields import Fields, folded
from app.knowledge.readers.json_rows import as_object
from app.knowledge.readers.row import BadRow, Row
from app.knowledge.readers.row_file import RowFile
from app.knowledge.readers.yaml_values import Items, Root, Scalar, Value, plain, roots


def rows(text: str, file: RowFile) -> Iterator[Row]:
    """The mappings, each at the line where it begins. Scalars of text fields are texts as they are written."""
    file.format = "YAML"
    texts = _text_keys(file.fields) | set(map(folded, file.options.mapping.values()))
    try:
        for root in roots(text, file.options.limits):
            for line, value in _items(root, file):
                try:
                    yield Row(Place(line), _values(value, texts))
                except BadRow as error:
                    file.reject(Place(line), str(error))
    except BadRow as error:
        file.reject(Place(error.line or 1), str(error))


def front_matter(text: str, file: RowFile) -> dict[str, object]:
    """The flat metadata of a mapping. Raises BadRow."""
    root = next(roots(text, file.options.limits), None)
    if root is None or (isinstance(root.value, Scalar) and root.value.value is None):
        return {}
    return _values(root.value, set())


def _items(root: Root, file: RowFile) -> Iterator[tuple[int, Value]]:
    """The items of a list, or of the one list of mappings in a mapping, or the mapping itself."""
    value = root.value
    if isinstance(value, Items):
        yield from zip(value.lines, value, strict=True)
    elif isinstance(value, dict):
        lists = {key: inner for key, inner in value.items() if isinstance(inner, Items) and _holds_mappings(inner)}
        if len(lists) > 1:
            raise BadRow(f"holds {len(lists)} lists: {', '.join(lists)}; keep the one that is the FAQ", line=root.line)
        for inner in lists.values():
            yield from zip(inner.lines, inner, strict=True)
        if not lists:
            yield root.line, value
    elif value.value is not None:
        yield root.line, value


def _holds_mappings(items: Items) -> bool:
    return bool(items) and isinstance(items[0], dict)


def _values(value: Value, texts: set[str]) -> dict[str, object]:
    if isinstance(value, Scalar):
        return as_object(value.value)
    if isinstance(value, Items):
        return as_object(list(value))
    return {key: plain(item, text=folded(key) in texts) for key, item in value.items()}


def _text_keys(fields: Fields) -> set[str]:
    """The names, folded, of the fields whose values are texts."""
    return {other for name in fields.texts | fields.lists for other in (name, *fields.names.get(name, ()))}
