"""Changes of several entries at once, and the steps that undo a change."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any, Literal, NamedTuple, Self, TypeVar

from app.errors import BatchRefused, Conflict, InputError, NotFound
from app.knowledge.editing import Editor
from app.knowledge.entry import Entry
from app.knowledge.history import Act as HistoryAct
from app.knowledge.stored import Stored

Act = Literal["tag", "untag", "archive", "restore", "draft"]
TAGS = "tags"  # the key of the metadata that holds an entry's tags
_STATES = {"archive": "archived", "restore": "live", "draft": "draft"}
Item = TypeVar("Item", "Chosen", "Step")
Result = TypeVar("Result")
_ACTS: dict[str, HistoryAct] = {"archive": "archived", "restore": "restored"}


class Chosen(NamedTuple):
    """An entry that was chosen in a list, as it was when the list was made. Written as `ETAG ID`."""

    etag: str
    id: str

    @classmethod
    def of(cls, text: str) -> Self:
        """The chosen entry of such a text. Raises InputError."""
        etag, space, entry_id = text.partition(" ")
        if not space or not entry_id:
            raise InputError("A chosen entry is written as its entity tag and its id.", "chosen")
        return cls(etag, entry_id)


class Step(NamedTuple):
    """How a change is undone: the entry gets its earlier version, or is archived where it had none (0).

    Written as `ETAG VERSION ID`.
    """

    etag: str
    version: int
    id: str

    @classmethod
    def of(cls, text: str) -> Self:
        """The step of such a text. Raises InputError."""
        etag, _, rest = text.partition(" ")
        version, _, entry_id = rest.partition(" ")
        if not entry_id or not version.isdecimal() or len(version) > 9:
            raise InputError("A step is written as an entity tag, a version and an id.", "step")
        return cls(etag, int(version), entry_id)

    def __str__(self) -> str:
        return f"{self.etag} {self.version} {self.id}"

    @classmethod
    def after(cls, stored: Stored, before: int) -> Self:
        """The step that undoes the change from version `before` to the present one."""
        return cls(stored.etag, before, stored.entry.id)


def change_all(editor: Editor, chosen: Sequence[Chosen], act: Act, tag: str = "") -> list[Step]:
    """Change every entry; the steps that undo it, for those that changed.

    Raises BatchRefused, which names each entry that was changed or removed since it was chosen.
    """
    change = _change(act, tag)

    def changed(entry: Chosen) -> Step | None:
        before = editor.get(entry.id).version
        stored = editor.change(entry.id, change, [entry.etag], _ACTS.get(act, "updated"))
        return Step.after(stored, before) if stored.version != before else None

    return [step for step in _all(chosen, changed) if step]


def undo_all(editor: Editor, steps: Sequence[Step]) -> None:
    """Undo changes. Raises BatchRefused, which names each entry that was changed or removed in the meantime."""

    def undo(step: Step) -> Stored:
        if step.version == 0:
            return editor.archive(step.id, [step.etag])
        return editor.restore(step.id, step.version, [step.etag])

    _all(steps, undo)


def _all(items: Iterable[Item], change: Callable[[Item], Result]) -> list[Result]:
    """The results. Raises BatchRefused where any change is impossible."""
    results: list[Result] = []
    refused: list[dict[str, Any]] = []
    for item in items:
        try:
            results.append(change(item))
        except (Conflict, NotFound) as error:
            refused.append({"id": item.id, "message": str(error)})
    if refused:
        raise BatchRefused(refused)
    return results


def _change(act: Act, tag: str) -> Callable[[Entry], Entry]:
    if act in _STATES:
        return lambda entry: entry.model_copy(update={"state": _STATES[act]})
    if not tag.strip():
        raise InputError("Write the tag to add or to remove.", "tag")
    return lambda entry: _tagged(entry, tag.strip(), wanted=act == "tag")


def _tagged(entry: Entry, tag: str, *, wanted: bool) -> Entry:
    """The entry with the tag, or without it. A single text under `tags` becomes the first of a list."""
    present = entry.metadata.get(TAGS, [])
    tags = [item for item in (present if isinstance(present, list) else [str(present)]) if item != tag]
    metadata: dict[str, Any] = {key: value for key, value in entry.metadata.items() if key != TAGS}
    if wanted or tags:
        metadata[TAGS] = [*tags, tag] if wanted else tags
    return Entry.model_validate(entry.model_dump() | {"metadata": metadata})
