"""The nearest vectors of other owners."""

import numpy as np
import pytest

from app.lint import neighbours
from app.lint.neighbours import KEPT, nearest_of_others, quantised


def test_neighbours_are_those_of_the_full_comparison(monkeypatch: pytest.MonkeyPatch) -> None:
    random = np.random.default_rng(0)
    topics = random.standard_normal((60, 128), dtype=np.float32)
    vectors = np.repeat(topics, 10, axis=0) + 0.4 * random.standard_normal((600, 128), dtype=np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    owners = np.arange(600) // 2
    cosines = vectors @ vectors.T
    cosines[owners[:, None] == owners] = -1
    pairs = nearest_of_others(quantised(vectors), owners, 0.8)
    for row in range(0, 600, 7):
        expected = np.sort(cosines[row][cosines[row] >= 0.8])[::-1][:KEPT]
        assert pairs.cosines[pairs.rows == row] == pytest.approx(expected, abs=0.01)
    monkeypatch.setattr(neighbours, "EXACT", 0)
    by_cells = nearest_of_others(quantised(vectors), owners, 0.8)
    assert len(by_cells.rows) >= 0.98 * len(pairs.rows)


def test_a_thousand_equal_texts_have_few_neighbours_each() -> None:
    vectors = quantised(np.ones((1000, 16), dtype=np.float32))
    pairs = nearest_of_others(vectors, np.arange(1000), 0.9)
    assert np.bincount(pairs.rows).tolist() == [KEPT] * 1000


def test_no_vectors_have_no_neighbours() -> None:
    assert len(nearest_of_others(quantised(np.empty((0, 8), np.float32)), np.empty(0, np.int64), 0.5).rows) == 0
