"""The nearest texts of other entries, for many vectors at once: integer matrix products, a tile at a time.

Up to EXACT vectors every pair is compared. Beyond, vectors are sorted into cells around evenly spaced samples, as an
inverted file does (IVF: "Video Google", Sivic & Zisserman 2003), and compared with the cells nearest to them. The time
grows with n^1.5, and memory with n.
"""

import math
from collections.abc import Iterator
from typing import NamedTuple

import numkong
import numpy as np
from numpy.typing import NDArray

from app.arrays import Vectors

EXACT = 8_000  # vectors; every pair of them takes half a second on one core
ROWS, COLUMNS = 1_024, 16_384  # of a tile: 64 MB of int32
MEMBER, PROBED = 2, 6  # cells that hold a vector, and cells that it is compared with
KEPT = 5  # neighbours of a vector
SPREAD = 8.0  # components of a unit vector are cut off at SPREAD / sqrt(dimension)

Integers8 = NDArray[np.int8]
Places = NDArray[np.int64]


class Pairs(NamedTuple):
    """Neighbours: `rows[i]` has the neighbour `others[i]` with the cosine `cosines[i]`; sorted by row, best first."""

    rows: Places
    others: Places
    cosines: NDArray[np.float32]


def quantised(vectors: Vectors) -> Integers8:
    """(n, dimension) vectors, normalised, as 8-bit integers of one scale, so that products are comparable."""
    lengths = np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), np.finfo(np.float32).tiny)
    integers: Integers8 = np.rint(np.clip(vectors / lengths * _scale(vectors.shape[1]), -127, 127)).astype(np.int8)
    return integers


def nearest_of_others(vectors: Integers8, owners: Places, least: float) -> Pairs:
    """Up to KEPT neighbours of each vector that belong to other owners and have at least the cosine `least`.

    `vectors`: (n, dimension) from `quantised`; `owners`: (n,). The cosines have errors of some thousandths.
    """
    if not len(vectors):
        return Pairs(np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0, np.float32))
    unit = _scale(vectors.shape[1]) ** 2
    tiles = [_compared(vectors, owners, rows, columns, int(least * unit)) for rows, columns in _tiles(vectors)]
    rows, others, products = (np.concatenate(parts) for parts in zip(*tiles, strict=True))
    order = np.lexsort((others, -products, rows))
    rows, others, products = rows[order], others[order], products[order]
    new = np.ones(len(rows), dtype=bool)  # a pair that two cells hold is there twice, side by side
    new[1:] = (rows[1:] != rows[:-1]) | (others[1:] != others[:-1])
    rows, others, products = rows[new], others[new], products[new]
    rank = np.arange(len(rows)) - np.searchsorted(rows, rows)
    kept = rank < KEPT
    return Pairs(rows[kept], others[kept], (products[kept] / unit).astype(np.float32))


def _scale(dimension: int) -> float:
    return 127 * max(1.0, math.sqrt(dimension) / SPREAD)


def _compared(
    vectors: Integers8, owners: Places, rows: Places, columns: Places, least: int
) -> tuple[Places, Places, NDArray[np.int32]]:
    """The pairs of one tile: row, column and product; of a row with more than KEPT the best ones."""
    packed = numkong.dots_pack(np.ascontiguousarray(vectors[columns]))
    parts = []
    for start in range(0, len(rows), ROWS):
        block = rows[start : start + ROWS]
        products = np.asarray(numkong.dots_packed(np.ascontiguousarray(vectors[block]), packed))
        hits, others = np.divmod(np.flatnonzero(products >= least), len(columns))
        foreign = owners[block[hits]] != owners[columns[others]]
        hits, others = hits[foreign], others[foreign]
        best = products[hits, others]
        if len(hits) > KEPT * len(block):
            order = np.lexsort((-best, hits))
            hits, others, best = hits[order], others[order], best[order]
            kept = np.arange(len(hits)) - np.searchsorted(hits, hits) < KEPT
            hits, others, best = hits[kept], others[kept], best[kept]
        parts.append((block[hits], columns[others], best))
    pair_rows, pair_columns, pair_products = (np.concatenate(part) for part in zip(*parts, strict=True))
    return pair_rows, pair_columns, pair_products


def _tiles(vectors: Integers8) -> Iterator[tuple[Places, Places]]:
    """Rows and columns to compare, so that each vector meets those near to it."""
    everything = np.arange(len(vectors))
    if len(vectors) <= EXACT:
        for start in range(0, len(vectors), COLUMNS):
            yield everything, everything[start : start + COLUMNS]
        return
    nearest = _nearest_cells(vectors, round(len(vectors) ** 0.5))
    probing, holding = _by_cell(nearest), _by_cell(nearest[:, :MEMBER])
    for cell, members in holding.items():
        for start in range(0, len(members), COLUMNS):
            yield probing[cell], members[start : start + COLUMNS]


def _nearest_cells(vectors: Integers8, count: int) -> NDArray[np.int32]:
    """(n, PROBED): for each vector the nearest of `count` evenly spaced samples, the nearest first."""
    samples = np.unique(np.linspace(0, len(vectors) - 1, count).astype(np.int64))
    packed = numkong.dots_pack(np.ascontiguousarray(vectors[samples]))
    parts = []
    for start in range(0, len(vectors), ROWS):
        products = np.asarray(numkong.dots_packed(vectors[start : start + ROWS], packed))
        best = np.argpartition(-products, PROBED, axis=1)[:, :PROBED]
        order = np.argsort(-np.take_along_axis(products, best, axis=1), axis=1, kind="stable")
        parts.append(np.take_along_axis(best, order, axis=1).astype(np.int32))
    return np.concatenate(parts)


def _by_cell(cells: NDArray[np.int32]) -> dict[int, Places]:
    """The vectors of each cell, ascending."""
    vectors = np.repeat(np.arange(len(cells)), cells.shape[1])
    order = np.argsort(cells.ravel(), kind="stable")
    names, starts = np.unique(cells.ravel()[order], return_index=True)
    return dict(zip(names.tolist(), np.split(vectors[order], starts[1:]), strict=True))
