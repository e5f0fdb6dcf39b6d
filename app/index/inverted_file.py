"""Approximate search of many vectors: an inverted file, which compares a question with the cells nearest to it.

Each vector lies in the cell of the nearest centroid; the vectors of a cell follow each other in files that are
memory-mapped. The centroids are the means of a sample (k-means on the sphere). A search is bound by the memory that it
reads, so the vectors are rotated to their principal axes, and only the first coordinates of each, its head, are
compared. The best by their heads are compared in all coordinates. All numbers have 8 bits, and those of all vectors
the same scale.

Inverted files: "Video Google" (Sivic & Zisserman 2003), "Product Quantization for Nearest Neighbor Search" (Jégou,
Douze & Schmid 2011).

heads.npy      (vectors, head) int8, cell by cell: the first coordinates
tails.npy      (vectors, dimension - head) int8: the other coordinates
entries.npy    (vectors,) int32, the entry of each
starts.npy     (cells + 1,) int64, where the vectors of each cell begin
centroids.npy  (cells, dimension) int8
scale.npy      (1,) float32, what the products of the vectors are multiplied with
"""

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple, Self

import numkong
import numpy as np
from numpy.typing import NDArray

from app.arrays import Flags, Integers, Vectors
from app.index.array_files import map_arrays
from app.index.nearest import Nearest, top

Numbers = NDArray[np.int8]

ARRAYS = ("heads", "tails", "entries", "starts", "centroids", "scale")
COMPARED = 12_288  # vectors whose heads a question is compared with, at least
SHARE = 64  # or this part of all
RESCORED = 10  # for each wanted entry, vectors that are compared in all coordinates
SCATTERED = 0.5  # share of allowed vectors below which each is fetched alone, in place of whole cells
NOTHING = Nearest(np.empty(0, dtype=np.int64), np.empty(0, dtype=np.float32))


class Ranges(NamedTuple):
    """Ranges of vectors, one after the other, (ranges,) each: where each begins in the files, and where it ends among
    the vectors of all ranges."""

    starts: Integers
    ends: Integers

    def slices(self) -> list[slice]:
        """The ranges in the files."""
        sizes = np.diff(self.ends, prepend=0)
        return [slice(*bounds) for bounds in zip(self.starts.tolist(), (self.starts + sizes).tolist(), strict=True)]

    def places(self, positions: Integers) -> Integers:
        """Where in the files the vectors at these positions of all ranges are."""
        skipped = self.starts - np.concatenate([[0], self.ends[:-1]])
        places: Integers = positions + skipped[np.searchsorted(self.ends, positions, "right")]
        return places


class InvertedFile:
    """An inverted file, open for reading. Threads may share it."""

    def __init__(
        self,
        heads: Numbers,
        tails: Numbers,
        entries: NDArray[np.int32],
        starts: Integers,
        centroids: Numbers,
        scale: Vectors,
    ) -> None:
        self._heads, self._tails, self._entries = heads, tails, entries
        self._starts, self._sizes = np.array(starts[:-1]), np.diff(starts)
        self._centroids = numkong.dots_pack(np.array(centroids))
        self._scale = scale[0]
        self._compared = max(COMPARED, len(entries) // SHARE)

    @classmethod
    def open(cls, folder: Path) -> Self:
        """Map the files. Raises IndexUnavailable where one is missing or damaged."""
        return cls(*map_arrays(folder, ARRAYS))

    def nearest(self, question: Numbers, limit: int, allowed: Flags | None = None) -> Nearest:
        """The best `limit` entries for a question, or fewer where the compared vectors have no more.

        `question`: rotated as the vectors are, (1, dimension). `allowed`: the entries that may be returned, (entries,);
        None: all.
        """
        share = 1.0 if allowed is None else np.count_nonzero(allowed) / len(allowed)
        if not share:
            return NOTHING
        ranges = self._nearest_cells(question, int(self._compared / share))
        head = numkong.dots_pack(question[:, : self._heads.shape[1]])
        positions = None
        if allowed is not None:
            positions = np.flatnonzero(allowed[np.concatenate([self._entries[span] for span in ranges.slices()])])
        if positions is not None and share < SCATTERED:
            products = _products(np.take(self._heads, ranges.places(positions), axis=0), head)
        else:
            products = np.concatenate([_products(self._heads[span], head) for span in ranges.slices()])
            products = products if positions is None else products[positions]
        places = ranges.places if positions is None else lambda best: ranges.places(positions[best])
        return self._best_entries(products, places, question, limit)

    def _nearest_cells(self, question: Numbers, wanted: int) -> Ranges:
        """The nearest cells that hold `wanted` vectors together, in the order of the files; all as one range where
        these have no more."""
        if wanted >= len(self._entries):
            return Ranges(self._starts[:1], np.array([len(self._entries)]))
        similarities = np.asarray(numkong.dots_packed(question, self._centroids))[0]
        likely = 2 * wanted * len(similarities) // len(self._entries) + 1
        while True:
            order = top(similarities, likely)
            order = order[np.argsort(-similarities[order])]
            held = np.cumsum(self._sizes[order])
            if held[-1] >= wanted:
                break
            likely *= 2
        cells = np.sort(order[: np.searchsorted(held, wanted) + 1])
        return Ranges(self._starts[cells], np.cumsum(self._sizes[cells]))

    def _best_entries(
        self, products: NDArray[np.int32], places: Callable[[Integers], Integers], question: Numbers, limit: int
    ) -> Nearest:
        """The `limit` best entries by all coordinates, of the vectors that are best by their heads; an entry may have
        several. `products`: of the heads, (compared,); `places`: where in the files the vectors at positions are."""
        tail = numkong.dots_pack(question[:, self._heads.shape[1] :])
        count = RESCORED * limit
        while True:
            best = top(products, count)
            of_best = places(best)
            scores = products[best] + _products(np.take(self._tails, of_best, axis=0), tail)
            order = np.argsort(-scores, kind="stable")
            entries, firsts = np.unique(self._entries[of_best[order]], return_index=True)
            if len(entries) >= limit or len(best) == len(products):
                chosen = np.argsort(firsts)[:limit]
                return Nearest(
                    entries[chosen].astype(np.int64), scores[order[firsts[chosen]]].astype(np.float32) * self._scale
                )
            count *= 4


def _products(rows: Numbers, packed: numkong.PackedMatrix) -> NDArray[np.int32]:
    """The product of each row, (rows, width), with a packed one, (rows,)."""
    products: NDArray[np.int32] = np.asarray(numkong.dots_packed(rows, packed))[:, 0]
    return products
