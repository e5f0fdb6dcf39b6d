import numpy as np
import pytest
from sklearn.metrics import ndcg_score  # type: ignore[import-untyped]

from trainer.metrics import ranks, summarize

SCORES = np.array([0.1, 0.9, 0.5, 0.5, 0.2], dtype=np.float32)


def test_ranks_count_from_one_and_ties_keep_their_order() -> None:
    assert ranks(SCORES, np.array([2, 3, 1])).tolist() == [1, 2, 3]
    assert ranks(SCORES, np.array([0])).tolist() == [5]


def test_the_means() -> None:
    found = summarize([np.array([1]), np.array([4]), np.array([2, 3])])
    assert found["precision@1"] == pytest.approx(1 / 3)
    assert found["mrr"] == pytest.approx((1 + 1 / 4 + 1 / 2) / 3)
    assert found["recall@3"] == pytest.approx((1 + 0 + 1) / 3)
    assert summarize([]) == {}


def test_ndcg_agrees_with_scikit_learn() -> None:
    rng = np.random.default_rng(0)
    for _ in range(20):
        scores = rng.random(30, dtype=np.float32)
        relevant = rng.choice(30, size=4, replace=False)
        truth = np.isin(np.arange(30), relevant)
        found = summarize([ranks(scores, relevant)])["ndcg@10"]
        assert found == pytest.approx(ndcg_score([truth], [scores], k=10), rel=1e-6)
