"""Approximate search of many vectors: an inverted file, which compares a question with the cells nearest to it.

Each vector, in 8 bits, lies in the cell of the nearest centroid; the vectors of a cell follow each other in one file,
which is memory-mapped. The centroids are the means of a sample (k-means on the sphere). Inverted files: "Video Google"
(Sivic & Zisserman 2003), "Product Quantization for Nearest Neighbor Search" (Jégou, Douze & Schmid 2011).

vectors.npy    (vectors, dimension) int8, cell by cell
scales.npy     (vectors,) float32, what a vector's integers are multiplied with
entries.npy    (vectors,) int32, the entry of each
starts.npy     (cells + 1,) int64, where the vectors of each cell begin
centroids.npy  (cells, dimension) float32, of length 1
"""

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Self

import numkong
import numpy as np
from numpy.typing import NDArray

from app.arrays import Flags, Integers, Vectors
from app.index.array_files import map_arrays, new_array, save_arrays
from app.index.nearest import Nearest, in_8_bits, top

ARRAYS = ("vectors", "scales", "entries", "starts", "centroids")
COMPARED = 12_288  # vectors that a question is compared with, at least
SHARE = 64  # or this part of all
CELLS = 3.0  # cells for n vectors: CELLS * sqrt(n)
SAMPLE, ROUNDS = 32, 6  # vectors for each centroid, and rounds, of k-means
BLOCK = 8_192  # vectors that are quantised and assigned at a time
SCATTERED = 0.5  # share of allowed vectors below which each is fetched alone, in place of whole cells


class InvertedFile:
    """An inverted file, open for reading. Threads may share it."""

    def __init__(
        self,
        vectors: NDArray[np.int8],
        scales: Vectors,
        entries: NDArray[np.int32],
        starts: Integers,
        centroids: Vectors,
    ) -> None:
        self._vectors, self._scales, self._entries = vectors, scales, entries
        self._starts, self._centroids = np.array(starts), np.array(centroids)
        self._compared = max(COMPARED, len(vectors) // SHARE)

    @classmethod
    def open(cls, folder: Path) -> Self:
        """Map the files. Raises IndexUnavailable where one is missing or damaged."""
        return cls(*map_arrays(folder, ARRAYS))

    def nearest(self, question: Vectors, limit: int, allowed: Flags | None = None) -> Nearest:
        """The best `limit` entries for a question, (dimension,), or fewer where the compared vectors have no more.

        `allowed`: the entries that may be returned, (entries,); None: all.
        """
        entries, scores = self._compared_entries(question, allowed)
        if allowed is not None:
            shown = allowed[entries]
            scores, entries = scores[shown], entries[shown]
        return _best_entries(entries, scores, limit)

    def _compared_entries(self, question: Vectors, allowed: Flags | None) -> tuple[NDArray[np.int32], Vectors]:
        """The entries of the vectors in the nearest cells, and the similarity of each vector."""
        packed = numkong.dots_pack(in_8_bits(question[None])[0])
        order = np.argsort(-(self._centroids @ question))
        share = 1.0 if allowed is None else np.count_nonzero(allowed) / len(allowed)
        if allowed is not None and share < SCATTERED:
            places = self._allowed_places(order, allowed)
            products = np.asarray(numkong.dots_packed(np.take(self._vectors, places, axis=0), packed))
            return self._entries[places], products[:, 0] * self._scales[places]
        cells = self._nearest_cells(order, np.diff(self._starts), int(self._compared / share))
        spans = [slice(*bounds) for bounds in zip(self._starts[cells], self._starts[cells + 1], strict=True)]
        products = np.concatenate([np.asarray(numkong.dots_packed(self._vectors[span], packed)) for span in spans])
        scales, entries = (np.concatenate([of_all[span] for span in spans]) for of_all in (self._scales, self._entries))
        return entries, products[:, 0] * scales

    def _allowed_places(self, order: Integers, allowed: Flags) -> Integers:
        """The vectors of allowed entries in the nearest cells; of as many cells as hold enough of them."""
        places = np.flatnonzero(allowed[self._entries])
        if len(places) <= self._compared:
            return places
        bounds = np.searchsorted(places, self._starts)
        cells = self._nearest_cells(order, np.diff(bounds), self._compared)
        return np.concatenate([places[bounds[cell] : bounds[cell + 1]] for cell in cells.tolist()])

    @staticmethod
    def _nearest_cells(order: Integers, sizes: Integers, wanted: int) -> Integers:
        """The first cells of an order that hold `wanted` vectors together."""
        count = int(np.searchsorted(np.cumsum(sizes[order]), wanted)) + 1
        return np.sort(order[:count])


def write_inverted_file(folder: Path, vectors: Vectors, places: Integers, entries: Integers) -> None:
    """Write the inverted file of some rows of `vectors`, at least one: those at `places`, each of an entry."""
    centroids = _centroids(vectors, places)
    packed = _packed(centroids)
    cells = np.concatenate([_nearest_centroid(block, packed) for block in _blocks(vectors, places)])
    order = np.argsort(cells, kind="stable")
    target = np.empty(len(places), dtype=np.int64)
    target[order] = np.arange(len(places))
    rows = new_array(folder, "vectors", np.int8, (len(places), vectors.shape[1]))
    scales = np.empty(len(places), dtype=np.float32)
    for start, block in zip(range(0, len(places), BLOCK), _blocks(vectors, places), strict=True):
        rows[target[start : start + BLOCK]], scales[target[start : start + BLOCK]] = in_8_bits(block)
    starts = np.searchsorted(cells[order], np.arange(len(centroids) + 1))
    save_arrays(folder, scales=scales, entries=entries[order].astype(np.int32), starts=starts, centroids=centroids)


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
    return numkong.dots_pack(np.rint(centroids * (127 / np.abs(centroids).max())).astype(np.int8))


def _nearest_centroid(vectors: Vectors, packed: numkong.PackedMatrix) -> Integers:
    nearest: Integers = np.asarray(numkong.dots_packed(in_8_bits(vectors)[0], packed)).argmax(axis=1)
    return nearest


def _blocks(vectors: Vectors, places: Integers) -> Iterator[Vectors]:
    return (vectors[places[start : start + BLOCK]] for start in range(0, len(places), BLOCK))


def _unit(vectors: Vectors) -> Vectors:
    lengths = np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), np.finfo(np.float32).tiny)
    unit: Vectors = (vectors / lengths).astype(np.float32)
    return unit


def _best_entries(entries: NDArray[np.int32], scores: Vectors, limit: int) -> Nearest:
    """The `limit` entries of the greatest scores; an entry may have several."""
    count = 4 * limit
    while True:
        best = top(scores, count)
        best = best[np.argsort(-scores[best], kind="stable")]
        _, firsts = np.unique(entries[best], return_index=True)
        if len(firsts) >= limit or len(best) == len(scores):
            first = best[np.sort(firsts)[:limit]]
            return Nearest(entries[first].astype(np.int64), scores[first])
        count *= 4
