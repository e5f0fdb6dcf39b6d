"""The names of one installation's collections and aliases on a Qdrant server that several installations may share.

A release is built as a collection `<namespace>-<release>-<build>`. The build is a random suffix, so no name is ever
deleted and then created again, which a node of a cluster could confuse. The rest are aliases:

<namespace>-<release>            the collection of each finished release; an increment is in the collection of its base
<namespace>                      the collection of the active release
<namespace>-active-<release>     the same collection; its name says which of the collection's releases is active
<namespace>-previous             the collection of the previous release
<namespace>-previous-<release>   the same

Aliases of one change move together, under one lock of the server, and all nodes of a cluster apply changes in the same
order. So a reader always sees an active release that is whole, and never one release's name with another's collection.

Versions before namespaces called a collection as its release, `faq-…`, and had the aliases `faqtual` and
`faqtual-previous` alone. In the namespace `faqtual` such collections are read as releases while these aliases point at
them; `index.ownership` gives them aliases of their own.
"""

import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass

from app.index.protocol import RELEASE

DEFAULT = "faqtual"  # also the default of FAQ_NAMESPACE; the aliases of versions before namespaces
_RELEASE = RELEASE.pattern.strip("^$")


@dataclass(frozen=True)
class Places:
    """The releases of a namespace, each with its collection, and which of them are active and previous.

    `marks`: the aliases that say so.
    """

    releases: Mapping[str, str]
    active: str | None
    previous: str | None
    marks: frozenset[str]

    def sharing(self, name: str) -> list[str]:
        """The other releases in the collection of a release."""
        collection = self.releases[name]
        return [other for other, held in self.releases.items() if held == collection and other != name]


class Namespace:
    """The names of one namespace."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.active, self.previous = name, f"{name}-previous"
        self._alias = re.compile(rf"^{re.escape(name)}-(?:(active|previous)-)?({_RELEASE})$")
        self._collection = re.compile(rf"^{re.escape(name)}-{_RELEASE}-b[0-9a-f]{{8}}$")

    def new_collection(self, release: str) -> str:
        """A name that no collection has had, for a build of a release."""
        return f"{self.name}-{release}-b{secrets.token_hex(4)}"

    def owns(self, collection: str) -> bool:
        """Whether a collection was built in this namespace."""
        return self._collection.match(collection) is not None

    def alias(self, release: str) -> str:
        """The alias of a finished release."""
        return f"{self.name}-{release}"

    def active_mark(self, release: str) -> str:
        """The alias that says that a release is the active one."""
        return f"{self.name}-active-{release}"

    def previous_mark(self, release: str) -> str:
        """The alias that says that a release is the previous one."""
        return f"{self.name}-previous-{release}"

    def switch(self, places: Places, name: str) -> tuple[dict[str, str], list[str]]:
        """The aliases to create, each with its collection, and those to delete, to make a release the active one.

        The one that was active becomes the previous one.
        """
        create = {self.active: places.releases[name], self.active_mark(name): places.releases[name]}
        if places.active:
            before = places.releases[places.active]
            create |= {self.previous: before, self.previous_mark(places.active): before}
        return create, sorted(places.marks.difference(create))

    def aliases(self, places: Places, name: str) -> list[str]:
        """The aliases of a release, and its marks where it is active or previous."""
        return [self.alias(name), *places.marks.intersection((self.active_mark(name), self.previous_mark(name)))]

    def is_legacy(self, collection: str) -> bool:
        """Whether a collection is of a version before namespaces, and this is the namespace that takes it over."""
        return self.name == DEFAULT and RELEASE.match(collection) is not None

    def places(self, aliases: Mapping[str, str]) -> Places:
        """What all aliases of a server, each with its collection, say about this namespace."""
        releases: dict[str, str] = {}
        marked: dict[tuple[str, str], str] = {}  # the release by the kind of its mark and the collection
        marks = set()
        for alias, collection in aliases.items():
            match = self._alias.match(alias)
            if match and match[1]:
                marked[match[1], collection] = match[2]
                marks.add(alias)
            elif match:
                releases[match[2]] = collection
        active, previous = aliases.get(self.active), aliases.get(self.previous)
        for legacy in filter(self.is_legacy, filter(None, (active, previous))):
            releases.setdefault(legacy, legacy)
            marked.update({(kind, legacy): legacy for kind in ("active", "previous")})
        return Places(
            releases,
            _known(marked.get(("active", active or "")), releases),
            _known(marked.get(("previous", previous or "")), releases),
            frozenset(marks),
        )


def _known(name: str | None, releases: Mapping[str, str]) -> str | None:
    return name if name in releases else None
