"""Selecting the best of a few or of many scores."""

import numpy as np
import pytest

from app.index.nearest import MANY, top, top_positive


@pytest.mark.parametrize("share", [0.0001, 0.1, 0.7, 1.0], ids="{} positive".format)
@pytest.mark.parametrize("count", [1, 200, 2 * MANY])
def test_the_best_scores_are_selected_however_many_are_zero(count: int, share: float) -> None:
    random = np.random.default_rng(count)
    scores = (random.random(count) * (random.random(count) < share)).astype(np.float32)
    for limit in (1, 20, 300):
        best = np.sort(scores)[::-1][:limit]
        assert np.array_equal(np.sort(scores[top(scores, limit)])[::-1], best)
        assert np.array_equal(np.sort(scores[top_positive(scores, limit)])[::-1], best[best > 0])


def test_equal_scores_are_selected_from() -> None:
    scores = np.ones(2 * MANY, dtype=np.float32)
    assert len(set(top(scores, 20).tolist())) == len(set(top_positive(scores, 20).tolist())) == 20
