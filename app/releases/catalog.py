"""The installed bundles and their releases: listing, opening, activating and pruning them."""

import asyncio
import logging
import re
import shutil
from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

from app import cores
from app.answering import Answerer
from app.encoding.batching import Observer
from app.encoding.bundle import Bundle
from app.encoding.bundle_store import BundleStore
from app.encoding.encoder import Encoder
from app.errors import BundleError, BundleStoreError, IndexUnavailable, NotFound, NotReady, StoreError
from app.index.protocol import RELEASE, Index, IndexRecord, IndexStore
from app.knowledge.store import Store
from app.ranking.adaptation import Adaptation, Estimate
from app.ranking.calibration import Calibrated, calibrated_of
from app.releases.index_stores import index_store, local_copies
from app.releases.keeping import in_dropping_order, kept_releases
from app.releases.replicas import Replicas
from app.releases.shares import Shares
from app.settings import Settings

logger = logging.getLogger(__name__)


class Loaded(NamedTuple):
    """A bundle and an encoder of it."""

    bundle: Bundle
    encoder: Encoder


@dataclass(frozen=True)
class Release:
    """A release and its place: `active`, `previous` (what a rollback returns to), or neither.

    `calibrated`: its calibration, None where the bundle holds out too few questions to fit one.
    """

    record: IndexRecord
    active: bool
    previous: bool
    calibrated: Calibrated | None
    estimate: Estimate | None = None  # of the share of unanswerable questions, None where it is not estimated


class Catalog:
    """The releases of one FAQ_HOME, in whichever Qdrant the settings name."""

    def __init__(
        self,
        settings: Settings,
        observer: Observer | None = None,
        *,
        indexes: IndexStore | None = None,
        copies: bool = False,
        replicas: Replicas | None = None,
    ) -> None:
        """`observer` is called with the measurements of every release that is opened here.

        `indexes`: where the releases are; the store that the settings name if None. `copies`: answer from local
        copies of a server's releases, as FAQ_LOCAL_VECTORS says. `replicas`: nothing that these serve is pruned.
        """
        self.settings = settings
        self.models = settings.home / "models"
        self.vectors = settings.home / "vectors"
        self.packed = settings.home / "packed"  # graphs of bundles, for this machine
        self.models.mkdir(parents=True, exist_ok=True)
        self.shares = Shares(settings.home / "shares")
        self.indexes = indexes or index_store(settings)
        self.bundles = BundleStore(settings.bundle_store, settings.namespace) if settings.bundle_store else None
        self._copies = local_copies(settings, self.indexes) if copies else None
        self._replicas = replicas
        self._observer = observer

    async def close(self) -> None:
        """Release connections."""
        if self._copies:
            self._copies.close()
        await self.indexes.close()

    async def claim(self, store: Store, adopt: bool = False) -> None:
        """Call it before publishing what `store` holds: on a Qdrant server its namespace becomes the store's.

        Raises Conflict where it is another store's, unless `adopt`.
        """
        installed = [path.name for path in self.models.iterdir()]
        await self.indexes.claim(await asyncio.to_thread(lambda: store.installation), adopt, installed)

    async def releases(self) -> list[Release]:
        """Every release, newest first."""
        active, previous = await self.indexes.pointer()
        records = reversed(await self.indexes.records())
        releases = []
        for record in records:
            calibrated = await self._calibration(record.name)
            estimate = await asyncio.to_thread(self._estimate, record.name, calibrated)
            place = record.name == active, record.name == previous
            releases.append(Release(record, *place, calibrated, estimate))
        return releases

    def _estimate(self, name: str, calibrated: Calibrated | None) -> Estimate | None:
        if calibrated is None or calibrated.calibration is None:
            return None
        unanswerable, mode = calibrated.calibration.unanswerable, self.settings.adapt_confidence
        return Adaptation(mode, unanswerable, calibrated.densities, self.shares.read(name)).estimate()

    async def holding(self, entry_id: str) -> list[str]:
        """The names of the releases that hold an entry, oldest first; one that cannot be read may hold it."""
        holding = []
        for name in await self.indexes.names():
            try:
                async with self.index(name) as index:
                    holds = await index.holds(entry_id)
            except IndexUnavailable:
                holds = True
            except NotFound:  # dropped in the meantime
                holds = False
            if holds:
                holding.append(name)
        return holding

    async def _calibration(self, name: str) -> Calibrated | None:
        try:
            return calibrated_of(await self.indexes.calibration(name), name)
        except IndexUnavailable:  # it is listed nevertheless, so that it can be seen and replaced
            return None

    async def active(self) -> str | None:
        """The name of the active release, or None."""
        return await self._copies.active() if self._copies else (await self.indexes.pointer())[0]

    async def active_record(self) -> IndexRecord | None:
        """The record of the active release; None where there is none, or this version cannot read it. Raises
        IndexUnavailable."""
        active = await self.active()
        return next((record for record in await self.indexes.records() if record.name == active), None)

    async def active_bundle(self) -> Bundle:
        """The bundle in use. Raises NotReady where there is none yet, BundleError where it is damaged."""
        name = await self.active()
        if name is None:
            raise NotReady("No release is active yet. Name a bundle: `python -m app reindex --bundle DIR`.")
        return await asyncio.to_thread(self.bundle_of, name)  # reads and hashes some 25 MB

    def bundle_of(self, release: str) -> Bundle:
        """The bundle that a release's name says it was made with; pulled if FAQ_HOME lacks it. Raises BundleError."""
        revision = release.split("-")[1]
        try:
            return Bundle.load(self.models / revision)
        except BundleError:
            if self.bundles is None:
                raise
            return self.bundles.pull(revision, self.models)

    async def share(self, bundle: Bundle) -> None:
        """Before a switch: have the bundle in FAQ_BUNDLE_STORE, where replicas look for it. Raises BundleStoreError."""
        if self.bundles:
            await asyncio.to_thread(self.bundles.upload, bundle)

    @asynccontextmanager
    async def index(self, release: str) -> AsyncIterator[Index]:
        """The index of a release, open for a block. Raises NotFound, IndexUnavailable."""
        index = await self.indexes.open(release)
        try:
            yield index
        finally:
            await index.close()

    async def open(
        self, release: str, *, threads: int = 0, loaded: Loaded | None = None, at_once: bool = False
    ) -> Answerer:
        """A release ready to answer: bundle and index together. Raises NotFound, BundleError, IndexUnavailable.

        `loaded`: a bundle and its encoder, which a release of that bundle shares instead of loading them. `at_once`: as
        of `IndexStore.open`.
        """
        if not RELEASE.match(release):
            raise NotFound(f"There is no release {release}.")
        index = await (self._copies or self.indexes).open(release, at_once=at_once)
        try:  # hashing and loading take a quarter of a second, which no request should wait for
            shared = loaded is not None and loaded.bundle.revision == release.split("-")[1]
            bundle = loaded.bundle if loaded and shared else await asyncio.to_thread(self.bundle_of, release)
            make = partial(
                Answerer,
                threads=threads or cores.encoders(self.settings.workers),
                rerank=self.settings.rerank,
                observer=self._observer,
                cache_bytes=self.settings.answer_cache_mb * 2**20 // cores.workers(self.settings.workers),
                adapt=self.settings.adapt_confidence,
                asked=await asyncio.to_thread(self.shares.read, release),
                encoder=loaded.encoder if loaded and shared else None,
                packed=self.packed,
            )
            return await asyncio.to_thread(make, bundle, index)
        except BaseException:
            await index.close()
            raise

    async def activate(self, release: str) -> None:
        """Switch, for a rollback too. Raises NotFound, and BundleError or IndexUnavailable if it could not serve."""
        answerer = await self.open(release, threads=1)
        await answerer.close()
        await self.share(await asyncio.to_thread(self.bundle_of, release))
        await self.indexes.activate(release)

    async def prune(self, blocked: Collection[str] = ()) -> list[str]:
        """Drop every release that `kept_releases` does not keep, and what only the dropped ones used. Returns their
        names. `blocked`: those that wait for a person to activate them anyway."""
        try:
            served = await asyncio.to_thread(self._replicas.served) if self._replicas else set[str]()
        except StoreError as error:
            logger.warning("Old releases are not pruned, as it is not known what replicas serve: %s", error)
            return []
        records = await self.indexes.records()
        active, previous = await self.indexes.pointer()
        kept = kept_releases(records, active, previous, self.settings.keep_increments, blocked, served)
        dropped = in_dropping_order(records, set(await self.indexes.names()) - kept)
        for name in dropped:
            await self.drop(name)
        bundles = {name.split("-")[1] for name in kept}
        for path in [*self.models.iterdir(), *self.vectors.glob("*.db*"), *self.packed.glob("[!.]*")]:
            if (match := re.match(r"\.?([0-9a-f]{12})\b", path.name)) and match[1] not in bundles:
                shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
        if self.bundles:
            try:
                await asyncio.to_thread(self.bundles.prune, bundles)
            except BundleStoreError as error:
                logger.warning("%s", error)
        return dropped

    async def drop(self, release: str) -> None:
        """Delete a release with what was counted for it. The later increments on the same publish must be dropped."""
        await self.indexes.drop(release)
        self.shares.drop(release)
