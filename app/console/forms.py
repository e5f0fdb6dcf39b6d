"""An entry as a form shows it, and a form as an entry."""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Self

from pydantic import ValidationError
from starlette.datastructures import FormData

from app.console.diffs import as_text
from app.console.texts import texts
from app.knowledge.entry import Entry, MetadataValue

_MARKED = re.compile(r"`(\w+)`")
LISTS = ("alternatives", "negatives", "follow_ups")
TEXTS = ("id", "question", "answer", "state", "valid_from", "valid_until")


@dataclass(frozen=True)
class EntryForm:
    """What the fields hold. `metadata`: keys, and values as texts, of a list a line each; `problems`: by field."""

    id: str = ""
    question: str = ""
    answer: str = ""
    state: str = "live"
    valid_from: str = ""
    valid_until: str = ""
    alternatives: Sequence[str] = ()
    negatives: Sequence[str] = ()
    follow_ups: Sequence[str] = ()
    metadata: Sequence[tuple[str, str]] = ()
    problems: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of_entry(cls, entry: Entry) -> Self:
        """The form of an entry."""
        return cls(
            id=entry.id,
            question=entry.question,
            answer=entry.answer,
            state=entry.state,
            valid_from=_local(entry.valid_from),
            valid_until=_local(entry.valid_until),
            alternatives=entry.alternatives,
            negatives=entry.negatives,
            follow_ups=entry.follow_ups,
            metadata=[(key, as_text(value)) for key, value in entry.metadata.items()],
        )

    @classmethod
    def of_form(cls, form: FormData) -> Self:
        """What a person sent."""
        lists = {name: _items(form, name) for name in LISTS}
        keys, values = (list(map(str, form.getlist(name))) for name in ("metadata_key", "metadata_value"))
        rows = [(key.strip(), value) for key, value in zip(keys, values, strict=False) if key.strip() or value.strip()]
        single: dict[str, Any] = {name: str(form.get(name, "")) for name in TEXTS}
        return cls(**single | lists | {"state": single["state"] or "live", "metadata": rows})

    def entry(self, before: Entry | None = None) -> Entry:
        """The entry; numbers and lists of `before` keep their type. Raises FormError."""
        known = before.metadata if before else {}
        fields: dict[str, Any] = {name: getattr(self, name) for name in (*TEXTS, *LISTS)}
        fields["metadata"] = {key: value_of(text, known.get(key)) for key, text in self.metadata}
        if not self.id.strip():
            del fields["id"]
        try:
            return Entry.model_validate(fields)
        except ValidationError as error:
            raise FormError(_problems(error)) from None


class FormError(Exception):
    """Fields of a form are wrong; `problems` says of each what to do."""

    def __init__(self, problems: Mapping[str, str]) -> None:
        super().__init__("; ".join(problems.values()))
        self.problems = problems


def value_of(text: str, before: MetadataValue | None = None) -> MetadataValue:
    """A value of the metadata from its text. A text that `before` would have gives `before`; `true` and numbers are
    such where no text was there before; several lines are a list, and a list stays one."""
    if before is not None and as_text(before) == text.replace("\r\n", "\n"):
        return before
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    if isinstance(before, list) or len(lines) > 1:
        return lines
    plain = text.strip()
    if isinstance(before, str):
        return plain
    try:
        value = json.loads(plain)
    except ValueError:
        return plain
    return value if isinstance(value, bool | int | float) else plain


def _items(form: FormData, name: str) -> list[str]:
    """The texts of a list, without empty ones and repeats."""
    return list(dict.fromkeys(text for value in form.getlist(name) if (text := str(value).strip())))


def _local(moment: str | None) -> str:
    """A moment in UTC as the browser's field for a day and a time takes it."""
    return (moment or "").removesuffix("Z").removesuffix(":00")


def _problems(error: ValidationError) -> dict[str, str]:
    problems: dict[str, str] = {}
    for item in error.errors(include_url=False, include_input=False):
        if item["type"] != "default_factory_not_called":  # the id, which needs a good question and answer
            name = str(item["loc"][0]) if item["loc"] else "answer"
            problems.setdefault(name, _sentence(str(item["msg"]).removeprefix("Value error, ")))
    return problems


def _sentence(text: str) -> str:
    """With a capital and a stop, and with the names that the form has for the fields."""
    plain = _MARKED.sub(lambda match: f"“{texts().fields.get(match[1], match[1])}”", text)
    return f"{plain[:1].upper()}{plain[1:]}{'' if plain.endswith('.') else '.'}"
