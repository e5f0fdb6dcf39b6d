"""Writes inverted files; see index.inverted_file."""

import math
from collections.abc import Iterator
from pathlib import Path

import numkong
import numpy as np
from numpy.typing import NDArray

from app.arrays import Integers, Vectors
from app.index.array_files import new_array, save_arrays
from app.index.nearest import in_8_bits

CELLS = 3.0  # cells for n vectors: CELLS * sqrt(n)
SAMPLE, ROUNDS = 32, 6  # vectors for each centroid, and rounds, of k-means
BLOCK = 8_192  # vectors that are quantised and assigned at a time


def write_inverted_file(
    folder: Path, vectors: Vectors, places: Integers, entries: Integers, rotation: Vectors, head: int
) -> None:
    """Write the inverted file of some rows of `vectors`, at least one: those at `places`, each of an entry.

    `rotation`: (dimension, dimension), orthonormal; `head`: how many coordinates of a rotated vector are compared
    first, less than all.
    """
    centroids = _centroids(vectors, places)
    packed = _packed(centroids)
    cells = np.concatenate([_nearest_centroid(block, packed) for block in _blocks(vectors, places)])
    order = np.argsort(cells, kind="stable")
    target = np.empty(len(places), dtype=np.int64)
    target[order] = np.arange(len(places))
    count, dimension = len(places), vectors.shape[1]
    heads = new_array(folder, "heads", np.int8, (count, head))
    tails = new_array(folder, "tails", np.int8, (count, dimension - head))
    scale = np.abs(vectors[places[:: -(-count // BLOCK)]] @ rotation).max() / 127
    for start, block in zip(range(0, count, BLOCK), _blocks(vectors, places), strict=True):
        rows = _quantised(block @ rotation, scale)
        heads[target[start : start + BLOCK]], tails[target[start : start + BLOCK]] = rows[:, :head], rows[:, head:]
    rotated = centroids @ rotation
    save_arrays(
        folder,
        entries=entries[order].astype(np.int32),
        starts=np.searchsorted(cells[order], np.arange(len(centroids) + 1)),
        centroids=_quantised(rotated, np.abs(rotated).max() / 127),
        scale=np.array([scale], dtype=np.float32),
    )


def _centroids(vectors: Vectors, places: Integers) -> Vectors:
    """The centroids of cells, (cells, dimension), of length 1."""
    random = np.random.default_rng(0)
    count = min(len(places), math.ceil(CELLS * math.sqrt(len(places))))
    chosen = random.choice(len(places), min(len(places), SAMPLE * count), replace=False)
    sample = _unit(vectors[places[np.sort(chosen)]])
    centroids = sample[random.choice(len(sample), count, replace=False)]
    for _ in range(ROUNDS):
        packed = _packed(centroids)
        cells = np.concatenate(
            [_nearest_centroid(block, packed) for block in np.array_split(sample, -(-len(sample) // BLOCK))]
        )
        order = np.argsort(cells, kind="stable")
        filled, firsts = np.unique(cells[order], return_index=True)
        centroids[filled] = np.add.reduceat(sample[order], firsts, axis=0)  # an empty cell keeps its centroid
        centroids = _unit(centroids)
    return centroids


def _packed(centroids: Vectors) -> numkong.PackedMatrix:
    """The centroids in 8 bits of one scale, so that products are comparable."""
    return numkong.dots_pack(_quantised(centroids, np.abs(centroids).max() / 127))


def _quantised(vectors: Vectors, scale: float) -> NDArray[np.int8]:
    """The vectors in 8 bits of one scale; a coordinate that is too large for it becomes the largest number."""
    quantised: NDArray[np.int8] = np.clip(np.rint(vectors / scale), -127, 127).astype(np.int8)
    return quantised


def _nearest_centroid(vectors: Vectors, packed: numkong.PackedMatrix) -> Integers:
    nearest: Integers = np.asarray(numkong.dots_packed(in_8_bits(vectors)[0], packed)).argmax(axis=1)
    return nearest


def _blocks(vectors: Vectors, places: Integers) -> Iterator[Vectors]:
    return (vectors[places[start : start + BLOCK]] for start in range(0, len(places), BLOCK))


def _unit(vectors: Vectors) -> Vectors:
    lengths = np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), np.finfo(np.float32).tiny)
    unit: Vectors = (vectors / lengths).astype(np.float32)
    return unit
