"""Which installation a namespace on a Qdrant server belongs to.

Each collection's metadata holds the id of the store that published it. The owner of a namespace is that of its active
release. A publisher with another store is refused, so that two installations that share a namespace by mistake cannot
replace each other's answers.
"""

from collections.abc import Collection

from app.errors import Conflict
from app.index.cluster_state import ClusterState
from app.index.namespace import Namespace, Places


class Ownership:
    """The owner of one namespace, and the change of it."""

    def __init__(self, state: ClusterState, namespace: Namespace) -> None:
        self._state = state
        self._namespace = namespace

    async def check(self, places: Places, owner: str, bundles: Collection[str] = ()) -> None:
        """Raises Conflict where the namespace belongs to another store than `owner`.

        An active release without an owner, of an earlier version, is taken for this installation's own if `bundles`,
        the revisions of the bundles that it has installed, include the release's.
        """
        if places.active is None:
            return
        holder = (await self._state.metadata(places.releases[places.active])).owner
        if holder == owner or (holder is None and _bundle(places.active) in bundles):
            return
        whose = "another installation" if holder else "an earlier version"
        raise Conflict(
            f"The active release of the namespace `{self._namespace.name}` on this Qdrant server was published by "
            f"{whose}, and publishing would replace its answers. Set FAQ_NAMESPACE to a name of your own. If the "
            "installation is the same, for example with a new database, take the namespace over: "
            "`python -m app reindex --adopt`."
        )

    async def take(self, places: Places, owner: str, bundles: Collection[str]) -> None:
        """Make `owner` the owner of every release of the namespace.

        Collections of an earlier version get aliases, and so are listed and pruned as releases: those that are active
        or previous, and those of `bundles`. Others, perhaps of another installation, stay as they are.
        """
        legacy = await self._legacy(places, bundles)
        for collection in {*places.releases.values(), *legacy}:
            if (await self._state.metadata(collection)).owner != owner:
                await self._state.write(collection, {"owner": owner})
        if legacy:
            await self._state.move({self._namespace.alias(name): name for name in legacy})

    async def _legacy(self, places: Places, bundles: Collection[str]) -> list[str]:
        """The finished collections of an earlier version that belong here and have no alias of a release yet."""
        names = [name for name in await self._state.collections() if self._namespace.is_legacy(name)]
        aliases = await self._state.aliases() if names else {}
        ours = [
            name
            for name in names
            if self._namespace.alias(name) not in aliases
            and (name in (places.active, places.previous) or _bundle(name) in bundles)
        ]
        return [name for name in ours if (await self._state.metadata(name)).record(name)]


def _bundle(release: str) -> str:
    return release.split("-")[1]
