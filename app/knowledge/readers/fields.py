"""The fields that a caller expects in a file, and the names that files use for them. Knows no format."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from app.errors import InputError
from app.knowledge.readers.row import BadRow


@dataclass(frozen=True)
class Fields:
    """`names`: our fields, each with the other names that files give it, compared without case and outer space.

    `required` must be present in every row. The cells of `texts` are text whatever they hold: `NaN`, `null`, `12`.
    `lists` are split at `|`, `objects` are JSON in the cells of a table.
    """

    names: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    required: tuple[str, ...] = ()
    texts: frozenset[str] = frozenset()
    lists: frozenset[str] = frozenset()
    objects: frozenset[str] = frozenset()


QUESTION_NAMES = ("q", "query", "prompt", "utterance", "questions")
ANSWER_NAMES = ("a", "response", "reply", "answers")
ANY_FIELDS = Fields()
ENTRY_FIELDS = Fields(
    names={
        "id": (),
        "question": QUESTION_NAMES,
        "answer": ANSWER_NAMES,
        "alternatives": ("synonyms", "alternative"),
        "negatives": (),
        "metadata": (),
    },
    required=("answer",),
    texts=frozenset(("id", "question", "answer")),
    lists=frozenset(("alternatives", "negatives")),
    objects=frozenset(("metadata",)),
)
QUERY_FIELDS = Fields(
    names={"question": QUESTION_NAMES, "faq_id": (), "answer": ANSWER_NAMES, "label": ()},
    required=("question",),
    texts=frozenset(("question", "answer", "label")),
)
LABELLED_FIELDS = Fields(
    names={"text": (), "label": ()}, required=("text", "label"), texts=frozenset(("text", "label"))
)
PAIR_FIELDS = Fields(
    names={"a": (), "b": (), "score": (), "subgroup": ()}, required=("a", "b"), texts=frozenset(("a", "b"))
)


@dataclass
class Columns:
    """How the columns of a table become fields. `fields[i]` is the field or metadata key of column i; "" is unnamed.

    `ragged`: rows may be shorter and longer than the header. `of`: the expected fields.
    """

    fields: list[str]
    of: Fields
    ragged: bool
    mapping: dict[str, str] = field(default_factory=dict)  # the file's column -> our field


def folded(name: str) -> str:
    """The name without outer space and case, for comparison."""
    return name.strip().casefold()


def columns_of(header: Sequence[str], fields: Fields, given: Mapping[str, str], ragged: bool = False) -> Columns:
    """Match the header's names with the fields. Raises BadRow for a column that is missing, repeated or ambiguous."""
    named = len(header)
    while named and not header[named - 1].strip():
        named -= 1
    ragged = ragged or named < len(header)  # spreadsheets write empty columns at the end
    header = [name.strip() for name in header[:named]]
    _check_given(header, fields, given)
    mapping = dict(_matches(header, fields, given))
    columns = Columns([mapping.get(name, name) for name in header], fields, ragged, mapping)
    _check(header, columns.fields, fields)
    return columns


def _check_given(header: Sequence[str], fields: Fields, given: Mapping[str, str]) -> None:
    for name, column in given.items():
        if fields.names and name not in fields.names:
            raise InputError(f"`{name}` is not a field; the fields are {_listed(fields.names)}", "mapping")
        if column.strip() not in header:
            raise BadRow(f"there is no column `{column}` to read as `{name}`; the header has {_listed(header)}", name)


def _matches(header: Sequence[str], fields: Fields, given: Mapping[str, str]) -> Iterable[tuple[str, str]]:
    """Pairs of a column and its field: as mapped, else of the same name, else with a common name."""
    yield from ((column.strip(), name) for name, column in given.items())
    taken = {column.strip() for column in given.values()}
    free = [name for name in header if name and name not in taken]
    for name, others in fields.names.items():
        if name in given:
            continue
        same = [column for column in free if column == name] or [c for c in free if folded(c) == name]
        matches = dict.fromkeys(same or [column for column in free if folded(column) in others])
        if len(matches) > 1:
            raise BadRow(
                f"{_listed(matches)} could each be the `{name}`; say which, such as {name}={next(iter(matches))}", name
            )
        yield from ((column, name) for column in matches)


def _check(header: Sequence[str], names: Sequence[str], fields: Fields) -> None:
    if missing := [name for name in fields.required if name not in names]:
        raise BadRow(
            f"needs a column `{missing[0]}`; the header has {_listed(header)}. If one of these is meant, "
            f"map it: {missing[0]}=COLUMN",
            missing[0],
        )
    if repeated := [name for name in dict.fromkeys(names) if name and names.count(name) > 1]:
        raise BadRow(f"the header names the column `{repeated[0]}` twice")


def renamed(
    values: dict[str, object], fields: Fields, given: Mapping[str, str]
) -> tuple[dict[str, object], dict[str, str]]:
    """An object with its keys as our fields, and which of its keys became which field.

    Other names than ours are looked for in an object that lacks a required field, and `a` only beside a question, as
    it is the first text of a scored pair too.
    """
    mapping = {column: name for name, column in given.items() if name not in values and column in values}
    if any(name not in values and name not in mapping.values() for name in fields.required):
        mapping |= _common(values, fields, mapping)
    if not mapping:
        return values, mapping
    return {mapping.get(key, key): value for key, value in values.items()}, mapping


def _common(values: Mapping[str, object], fields: Fields, mapping: Mapping[str, str]) -> dict[str, str]:
    free = {folded(key): key for key in values if key not in mapping}
    has = {*values, *mapping.values()}
    common: dict[str, str] = {}
    for name, others in fields.names.items():
        key = next((free[other] for other in (name, *others) if other in free), None)
        if name not in has and key is not None:
            common[key] = name
    if "question" not in {*has, *common.values()}:
        common = {key: name for key, name in common.items() if folded(key) != "a"}
    return common


def _listed(names: Iterable[str]) -> str:
    return ", ".join(f"`{name}`" for name in names if name) or "no names"
