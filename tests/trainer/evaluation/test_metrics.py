import numpy as np
import pytest
from sentence_transformers.sentence_transformer.evaluation import InformationRetrievalEvaluator
from sklearn.metrics import (
    average_precision_score,
    dcg_score,
    f1_score,
    ndcg_score,
    roc_auc_score,
)

from app.arrays import Integers
from trainer.evaluation import metrics
from trainer.evaluation.metrics import CUTOFFS, ranks, summarize, table

SCORES = np.array([0.1, 0.9, 0.5, 0.5, 0.2], dtype=np.float32)

# Of rankings of 60 entries, what stands where. Below, what trec_eval says of them: pytrec_eval-terrier 0.5.11, called
# through ir-measures 0.4.3.
PLACES = ([1], [4], [2, 3], [1, 5, 11, 30], [21], [3, 4, 5, 6, 7, 8], list(range(1, 13)), [50, 60])
TREC_EVAL = {
    "average_precision": [1.0, 0.25, 0.583333, 0.451515, 0.047619, 0.594048, 1.0, 0.026667],
    "r_precision": [1.0, 0.0, 0.5, 0.25, 0.0, 0.666667, 1.0, 0.0],
    "mrr": [1.0, 0.25, 0.5, 1.0, 0.047619, 0.333333, 1.0, 0.02],
    "precision@1": [1.0, 0.0, 0.0, 1.0, 0.0, 0.0, 1.0, 0.0],
    "precision@5": [0.2, 0.2, 0.4, 0.4, 0.0, 0.6, 1.0, 0.0],
    "precision@20": [0.05, 0.05, 0.1, 0.15, 0.0, 0.3, 0.6, 0.0],
    "recall@1": [1.0, 0.0, 0.0, 0.25, 0.0, 0.0, 0.083333, 0.0],
    "recall@10": [1.0, 1.0, 1.0, 0.5, 0.0, 1.0, 0.833333, 0.0],
    "recall@20": [1.0, 1.0, 1.0, 0.75, 0.0, 1.0, 1.0, 0.0],
    "ndcg@1": [1.0, 0.0, 0.0, 1.0, 0.0, 0.0, 1.0, 0.0],
    "ndcg@3": [1.0, 0.0, 0.693426, 0.469279, 0.0, 0.234639, 1.0, 0.0],
    "ndcg@5": [1.0, 0.430677, 0.693426, 0.5414, 0.0, 0.446854, 1.0, 0.0],
    "ndcg@20": [1.0, 0.430677, 0.693426, 0.650293, 0.0, 0.702805, 1.0, 0.0],
    "hit@3": [1.0, 0.0, 1.0, 1.0, 0.0, 1.0, 1.0, 0.0],
    "hit@5": [1.0, 1.0, 1.0, 1.0, 0.0, 1.0, 1.0, 0.0],
}


def drawn(queries: int, entries: int) -> list[tuple[np.ndarray, Integers]]:
    """Random scores and what is relevant, one to twelve entries a query."""
    rng = np.random.default_rng(0)
    return [
        (rng.random(entries, dtype=np.float32), np.sort(rng.choice(entries, size=1 + i % 12, replace=False)))
        for i in range(queries)
    ]


def test_ranks_count_from_one_and_ties_keep_their_order() -> None:
    assert ranks(SCORES, np.array([2, 3, 1])).tolist() == [1, 2, 3]
    assert ranks(SCORES, np.array([0])).tolist() == [5]


def test_a_score_that_is_nan_ranks_last() -> None:
    broken = np.full(5, np.nan, dtype=np.float32)
    assert ranks(broken, np.array([0])).tolist() == [5]
    broken[2] = 1
    assert ranks(broken, np.array([2])).tolist() == [5]


def test_summarize_gives_the_means_over_the_queries() -> None:
    figures = summarize([np.array([1]), np.array([4]), np.array([2, 3])])
    assert figures["precision@1"] == pytest.approx(1 / 3)
    assert figures["mrr"] == pytest.approx((1 + 1 / 4 + 1 / 2) / 3)
    assert figures["recall@3"] == pytest.approx((1 + 0 + 1) / 3)
    assert summarize([]) == {}


def test_agreement_with_trec_eval() -> None:
    figures = table([np.array(places) for places in PLACES])
    for name, expected in TREC_EVAL.items():
        assert figures[name] == pytest.approx(expected, abs=1e-6), name


def test_agreement_with_sentence_transformers() -> None:
    cases = drawn(60, 40)
    names = {f"q{i}": {str(d) for d in relevant} for i, (_, relevant) in enumerate(cases)}
    evaluator = InformationRetrievalEvaluator(
        queries=dict.fromkeys(names, ""),
        corpus={str(d): "" for d in range(40)},
        relevant_docs=names,
        accuracy_at_k=list(CUTOFFS),
        precision_recall_at_k=list(CUTOFFS),
        mrr_at_k=[40],
        ndcg_at_k=list(CUTOFFS),
        map_at_k=[40],
    )
    hits: list[object] = [
        [{"corpus_id": str(d), "score": float(s)} for d, s in enumerate(scores)] for scores, _ in cases
    ]
    theirs = evaluator.compute_metrics(hits)
    ours = summarize([ranks(scores, relevant) for scores, relevant in cases])
    assert ours["mrr"] == pytest.approx(theirs["mrr@k"][40])
    assert ours["average_precision"] == pytest.approx(theirs["map@k"][40])
    for name in ("precision", "recall", "ndcg"):
        assert [ours[f"{name}@{k}"] for k in CUTOFFS] == pytest.approx([theirs[f"{name}@k"][k] for k in CUTOFFS])
    assert [ours[f"hit@{k}"] for k in CUTOFFS] == pytest.approx([theirs["accuracy@k"][k] for k in CUTOFFS])


def test_agreement_with_scikit_learn() -> None:
    for scores, relevant in drawn(30, 30):
        truth = np.isin(np.arange(30), relevant)
        figures = summarize([ranks(scores, relevant)])
        assert figures["average_precision"] == pytest.approx(average_precision_score(truth, scores))
        order = np.argsort(-scores)
        for k in CUTOFFS:
            assert figures[f"ndcg@{k}"] == pytest.approx(ndcg_score([truth], [scores], k=k), rel=1e-6)
            assert figures[f"dcg@{k}"] == pytest.approx(dcg_score([truth], [scores], k=k), rel=1e-6)
            assert figures[f"f1@{k}"] == pytest.approx(f1_score(truth, np.isin(np.arange(30), order[:k])))


def test_auroc_agrees_with_scikit_learn_weighted_and_with_ties() -> None:
    rng = np.random.default_rng(1)
    scores, positive = rng.integers(0, 10, size=80) / 10, rng.random(80) < 0.3
    weights = rng.integers(0, 4, size=(5, 80)).astype(float)
    expected = [roc_auc_score(positive, scores, sample_weight=row) for row in weights]
    assert metrics.auroc(scores, positive, weights) == pytest.approx(expected)
    assert metrics.auroc(scores, positive)[0] == pytest.approx(roc_auc_score(positive, scores))
    assert np.isnan(metrics.auroc(scores, np.ones(80, dtype=bool))[0])


def test_coverage_is_the_most_that_any_threshold_reaches() -> None:
    rng = np.random.default_rng(2)
    confidence = np.round(rng.random(200), 1)  # many ties, which no threshold parts
    right = rng.random(200) < confidence
    for precision in (0.6, 0.8, 0.95):
        reached = [
            (confidence >= t).mean() for t in np.unique(confidence) if right[confidence >= t].mean() >= precision
        ]
        assert metrics.coverage(confidence, right, precision)[0] == pytest.approx(max(reached, default=0))
        threshold = metrics.threshold_at(confidence, right, precision)
        assert (confidence >= threshold).mean() == pytest.approx(max(reached, default=0))
    nothing = np.zeros(200, dtype=bool)
    assert metrics.coverage(confidence, nothing, 0.8)[0] == 0
    assert metrics.threshold_at(confidence, nothing, 0.8) == np.inf


def test_coverage_of_repeated_queries_is_that_of_their_weights() -> None:
    rng = np.random.default_rng(3)
    confidence, right = rng.random(50), rng.random(50) < 0.7
    weights = rng.integers(0, 3, size=50)
    rows = np.repeat(np.arange(50), weights)
    expected = metrics.coverage(confidence[rows], right[rows], 0.8)[0]
    assert metrics.coverage(confidence, right, 0.8, weights[None, :].astype(float))[0] == pytest.approx(expected)


def test_the_calibration_error_of_ten_equal_bins() -> None:
    confidence = np.repeat([0.2, 0.8], 50)
    right = np.tile([True, False], 50)
    assert metrics.calibration_error(confidence, right) == pytest.approx(0.3)
    assert metrics.calibration_error(confidence, np.repeat([False, True], 50)) == pytest.approx(0.2)
    assert metrics.calibration_error(np.empty(0), np.empty(0, dtype=bool)) == 0


def test_the_calibration_error_of_exact_confidences_stays_below_its_bound() -> None:
    rng = np.random.default_rng(4)
    confidence = rng.random(400)
    bound = metrics.calibration_error_of_perfect(confidence)
    errors = [metrics.calibration_error(confidence, rng.random(400) < confidence) for _ in range(200)]
    assert 0.9 <= np.mean([error <= bound for error in errors]) <= 0.99
