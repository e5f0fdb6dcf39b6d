"""Folders of arrays that are memory-mapped: a process reads the pages that it uses, and processes share them."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.lib.format import open_memmap
from numpy.typing import DTypeLike, NDArray

from app.errors import IndexUnavailable


def save_arrays(folder: Path, **arrays: NDArray[Any]) -> None:
    """Write each array as <name>.npy into `folder`, which is made where it does not exist."""
    folder.mkdir(exist_ok=True)
    for name, array in arrays.items():
        np.save(folder / f"{name}.npy", array)


def new_array(folder: Path, name: str, dtype: DTypeLike, shape: tuple[int, ...]) -> NDArray[Any]:
    """A mapped array of zeros, in a new file <name>.npy of `folder`. The caller calls `flush` of it.

    Raises OSError where the disk has no room for it: a process that writes to a mapped page without room is killed.
    """
    folder.mkdir(exist_ok=True)
    path = folder / f"{name}.npy"
    array: NDArray[Any] = open_memmap(path, "w+", dtype, shape)
    with path.open("r+b") as file:
        os.posix_fallocate(file.fileno(), 0, path.stat().st_size)
    return array


def map_arrays(folder: Path, names: Sequence[str]) -> list[NDArray[Any]]:
    """The arrays of these names, which can be read only.

    Raises IndexUnavailable, naming the release and the folder within it, where one is missing or damaged.
    """
    try:
        return [np.asarray(np.load(folder / f"{name}.npy", mmap_mode="r", allow_pickle=False)) for name in names]
    except (OSError, ValueError, EOFError) as error:
        raise IndexUnavailable(f"The release {folder.parent.name} is damaged: its {folder.name}: {error}") from error
