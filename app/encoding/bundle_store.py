"""The store of bundles, from which replicas with a home of their own get the model of a release.

<store>/<namespace>/<revision>/…           a bundle; its manifest is written last, so a bundle that has one is whole
<store>/<namespace>/.<revision>-<random>/  an unfinished upload
"""

import hashlib
import json
import logging
import re
import secrets
import shutil
import threading
import time
from collections.abc import Collection, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from app.encoding.bundle import MANIFEST, Bundle, Manifest, read_manifest
from app.encoding.store_files import DirectoryFiles, RemoteFiles, StoreFiles
from app.errors import BundleError, BundleStoreError, FaqError

RETRY_S = 3.0  # a bundle that could not be pulled is looked for again after this
_BUNDLE = re.compile(r"^\.?[0-9a-f]{12}(-[0-9a-f]+)?$")
_SECRET = re.compile(r"//[^/@]*@")
logger = logging.getLogger(__name__)


class BundleStore:
    """The bundles of one installation at one place. Safe to share between threads."""

    def __init__(self, url: str, namespace: str) -> None:
        """`url`: a directory, or a URL of fsspec. Raises SettingsError for a URL that cannot be used."""
        place = f"{url.rstrip('/')}/{namespace}"
        self.place = _SECRET.sub("//", place)  # for people: without a password
        self._files: StoreFiles = RemoteFiles(place) if "://" in place else DirectoryFiles(Path(place))
        self._verified: set[str] = set()  # the revisions that were read back by this process
        self._failed: dict[str, tuple[float, FaqError]] = {}  # when and why a revision could not be pulled
        self._pulling = threading.Lock()

    def upload(self, bundle: Bundle) -> None:
        """Have a whole copy of the bundle in the store, verified by reading it back. Raises BundleStoreError.

        A copy that this process has verified before is taken to be whole while its manifest is there.
        """
        revision = bundle.revision
        try:
            with self._failures("read"):
                known = revision in self._verified
                if self._has(revision, bundle, contents=not known):
                    self._verified.add(revision)
                    return
        except BundleStoreError as error:
            if not known:
                raise
            logger.warning("%s It is taken to have the bundle %s still.", error, revision)
            return
        with self._failures("written"):
            self._write(bundle)
        self._verified.add(revision)

    def pull(self, revision: str, models: Path) -> Bundle:
        """The bundle in `models/<revision>`: the one there if it is whole, else the store's, which is installed.

        Raises BundleError, at once if it failed within the last RETRY_S.
        """
        with self._pulling:
            at, failure = self._failed.get(revision, (0.0, None))
            if failure and time.monotonic() - at < RETRY_S:
                raise failure.with_traceback(None)
            try:
                bundle = Bundle.installed(models, revision, lambda copy: self._fetch(revision, copy))
            except (BundleError, BundleStoreError, OSError) as error:
                missing = BundleError(
                    f"The bundle {revision} is neither in {models / revision} nor in {self.place}/{revision}: {error}"
                )
                self._failed[revision] = time.monotonic(), missing
                raise missing from error
            self._failed.pop(revision, None)
            logger.info("Pulled the bundle %s from %s", revision, self.place)
            return bundle

    def prune(self, kept: Collection[str]) -> None:
        """Delete every bundle whose revision is not in `kept`, and what unfinished uploads left.

        Call it only while holding the writer's lock. Raises BundleStoreError.
        """
        with self._failures("pruned"):
            for name in self._files.names():
                if _BUNDLE.match(name) and name not in kept:
                    self._verified.discard(name)
                    self._files.delete(name)

    def _has(self, name: str, bundle: Bundle, *, contents: bool = True) -> bool:
        """Whether `name` is a copy of the bundle; with `contents` every file is read."""
        try:
            with self._files.open(f"{name}/{MANIFEST}") as file:
                manifest = json.loads(file.read())
            if manifest.get("revision") != bundle.revision or manifest.get("files") != bundle.manifest.files:
                return False
            names = bundle.manifest.names if contents else ()
            return all(self._digest(f"{name}/{file}") == bundle.manifest.files[file] for file in names)
        except (FileNotFoundError, ValueError, AttributeError):
            return False

    def _digest(self, name: str) -> str:
        digest = hashlib.sha256()
        with self._files.open(name) as file:
            while block := file.read(1 << 20):
                digest.update(block)
        return digest.hexdigest()

    def _write(self, bundle: Bundle) -> None:
        building = f".{bundle.revision}-{secrets.token_hex(4)}"
        names = (*bundle.manifest.names, MANIFEST)
        try:
            for name in names:
                self._files.put(bundle.directory / name, f"{building}/{name}")
            if not self._has(building, bundle):
                raise BundleStoreError(
                    f"{self.place} cannot be used: a bundle that was uploaded reads back differently."
                )
            for name in names:
                self._files.move(f"{building}/{name}", f"{bundle.revision}/{name}")
        finally:
            with suppress(Exception):  # the next pruning deletes it
                self._files.delete(building)

    def _fetch(self, revision: str, copy: Path) -> None:
        with self._failures("read"):
            copy.mkdir(parents=True)
            self._get(f"{revision}/{MANIFEST}", copy / MANIFEST)
            manifest: Manifest = read_manifest(copy)
            for name in manifest.names:
                self._get(f"{revision}/{name}", copy / name)

    def _get(self, name: str, target: Path) -> None:
        with self._files.open(name) as source, target.open("wb") as file:
            shutil.copyfileobj(source, file, 1 << 20)

    @contextmanager
    def _failures(self, act: str) -> Iterator[None]:
        """Turn failures into BundleStoreError. The libraries of the kinds of URLs have errors of their own."""
        try:
            yield
        except FaqError:
            raise
        except Exception as error:
            reason = f"{type(error).__name__}: {error}" if str(error) else repr(error)
            raise BundleStoreError(f"FAQ_BUNDLE_STORE {self.place} cannot be {act}: {reason}.") from error
