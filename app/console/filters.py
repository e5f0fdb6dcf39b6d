"""Which entries a list shows, as the address of the list says it."""

from collections.abc import Sequence
from typing import Literal
from urllib.parse import urlencode

from pydantic import BaseModel, ConfigDict, Field

from app.knowledge.listing import Selection, Sort
from app.knowledge.publication import State

PAGE, MOST_SHOWN = 50, 500
View = Literal["current", "live", "draft", "archived"]

STATES: dict[View, Sequence[State]] = {
    "current": ("draft", "live"),
    "live": ("live",),
    "draft": ("draft",),
    "archived": ("archived",),
}


class Filters(BaseModel):
    """The filters of the list of entries. `shown`: how many entries are loaded, so that a change keeps them in view."""

    model_config = ConfigDict(frozen=True)

    search: str = Field("", max_length=1000)
    view: View = "current"
    field: str = Field("", max_length=1000)
    sort: Sort = "-updated"
    after: str | None = Field(None, max_length=2000)
    shown: int = Field(PAGE, ge=1, le=MOST_SHOWN)

    @property
    def metadata(self) -> list[tuple[str, str]]:
        """The key and the value that the metadata must have; `tags` where only a value was given."""
        key, equals, value = self.field.strip().partition("=")
        if not equals:
            key, value = "tags", key
        return [(key.strip(), value.strip())] if key.strip() and value.strip() else []

    @property
    def selection(self) -> Selection:
        """The entries, in their order."""
        return Selection(self.search.strip() or None, STATES[self.view], self.metadata, sort=self.sort)

    @property
    def narrowed(self) -> bool:
        """Whether a search or a filter may be the reason why a list is empty."""
        return bool(self.search.strip() or self.metadata or self.view != "current")

    @property
    def address(self) -> str:
        """The address of the list, without what has its default."""
        return self.with_changes()

    def with_changes(self, **changes: str) -> str:
        """The address of the list with other filters."""
        values = self.model_dump(exclude={"after", "shown"}) | changes
        plain = Filters().model_dump()
        query = urlencode({name: value for name, value in values.items() if value != plain.get(name)})
        return f"entries?{query}" if query else "entries"
