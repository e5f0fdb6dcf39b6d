"""The files of a bundle store: in a plain directory, or at a URL by fsspec, which is an extra."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO, Protocol, cast

from app import durable
from app.errors import SettingsError


class StoreFiles(Protocol):
    """Files by their names, which are relative paths. Every method raises FileNotFoundError for a name that there is
    not, OSError, and what the library of a URL raises."""

    def open(self, name: str) -> BinaryIO:
        """The file, open for reading its bytes."""

    def put(self, source: Path, name: str) -> None:
        """Write a copy of the local file `source`, in place of an earlier file."""

    def move(self, name: str, new: str) -> None:
        """Rename a file, in place of an earlier file."""

    def names(self) -> list[str]:
        """The first parts of all names; empty where there is nothing."""

    def delete(self, name: str) -> None:
        """Delete all files below `name`; no error where there are none."""


class DirectoryFiles:
    """Files below a local directory; see `StoreFiles`. They are on the disk when a method returns."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def open(self, name: str) -> BinaryIO:
        """As `StoreFiles.open`."""
        return (self._directory / name).open("rb")

    def put(self, source: Path, name: str) -> None:
        """As `StoreFiles.put`."""
        target = self._directory / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, target)

    def move(self, name: str, new: str) -> None:
        """As `StoreFiles.move`."""
        source, target = self._directory / name, self._directory / new
        target.parent.mkdir(parents=True, exist_ok=True)
        durable.move(source, target)

    def names(self) -> list[str]:
        """As `StoreFiles.names`."""
        return [path.name for path in self._directory.iterdir()] if self._directory.is_dir() else []

    def delete(self, name: str) -> None:
        """As `StoreFiles.delete`."""
        if (self._directory / name).exists():
            shutil.rmtree(self._directory / name)


class RemoteFiles:
    """Files below a URL of fsspec; see `StoreFiles`. Their listings are never taken from a cache."""

    def __init__(self, url: str) -> None:
        """Raises SettingsError where fsspec, or its library for such URLs, is not installed or refuses the URL."""
        try:
            from fsspec.core import url_to_fs

            self._files, root = cast(tuple[Any, str], url_to_fs(url))
        except (ImportError, ValueError) as error:
            raise SettingsError(
                f"FAQ_BUNDLE_STORE cannot be used: {error}. For URLs install faqtual[bundles], and the library of "
                "their kind, such as s3fs or gcsfs."
            ) from error
        self._root = root.rstrip("/")

    def open(self, name: str) -> BinaryIO:
        """As `StoreFiles.open`."""
        return cast(BinaryIO, self._files.open(f"{self._root}/{name}", "rb"))

    def put(self, source: Path, name: str) -> None:
        """As `StoreFiles.put`."""
        target = f"{self._root}/{name}"
        self._within_folder(target, lambda: self._files.put_file(str(source), target))

    def move(self, name: str, new: str) -> None:
        """As `StoreFiles.move`."""
        source, target = f"{self._root}/{name}", f"{self._root}/{new}"
        self._within_folder(target, lambda: self._files.cp_file(source, target))
        self._files.rm_file(source)

    def names(self) -> list[str]:
        """As `StoreFiles.names`."""
        self._files.invalidate_cache()
        try:
            paths = self._files.ls(self._root, detail=False)
        except FileNotFoundError:
            return []
        return [path.rstrip("/").rpartition("/")[2] for path in paths]

    def delete(self, name: str) -> None:
        """As `StoreFiles.delete`."""
        self._files.invalidate_cache()
        if self._files.exists(f"{self._root}/{name}"):
            self._files.rm(f"{self._root}/{name}", recursive=True)

    def _within_folder(self, target: str, write: Callable[[], object]) -> None:
        """Write, and where the folder of `target` is missing, make it first. Object stores have no folders, and may not
        allow what making one asks of them."""
        try:
            write()
        except FileNotFoundError:
            self._files.makedirs(target.rpartition("/")[0], exist_ok=True)
            write()
