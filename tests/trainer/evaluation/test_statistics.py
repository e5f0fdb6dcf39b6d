import math

import numpy as np
import pytest
from scipy import stats

from trainer.evaluation import statistics
from trainer.evaluation.statistics import (
    coverage_of_halves,
    differences,
    halves,
    mean_intervals,
    randomisation_test,
    sign_test,
    sign_test_of,
)


def test_intervals_agree_with_scipy() -> None:
    values = np.random.default_rng(0).random(200) ** 2
    low, high = mean_intervals({"x": values})["x"]
    theirs = stats.bootstrap((values,), np.mean, method="percentile", n_resamples=5000, rng=1).confidence_interval
    assert (low, high) == pytest.approx((theirs.low, theirs.high), abs=0.01)
    assert mean_intervals({}) == {}


def test_intervals_hold_the_truth_19_times_of_20() -> None:
    rng = np.random.default_rng(1)
    intervals = [mean_intervals({"x": (rng.random(150) < 0.7).astype(float)})["x"] for _ in range(100)]
    assert 88 <= sum(low <= 0.7 <= high for low, high in intervals) <= 100


def test_the_same_seed_gives_the_same_interval_and_blocks_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    values = {"x": np.random.default_rng(2).random(50)}
    assert mean_intervals(values, seed=1) == mean_intervals(values, seed=1)
    assert mean_intervals(values, seed=1) != mean_intervals(values, seed=2)
    whole = mean_intervals(values)
    monkeypatch.setattr(statistics, "_CELLS", 1000)
    assert mean_intervals(values)["x"] == pytest.approx(whole["x"])


def test_a_large_difference_has_a_small_p_and_no_difference_has_p_1() -> None:
    rng = np.random.default_rng(3)
    before = (rng.random(300) < 0.5).astype(float)
    better = np.maximum(before, rng.random(300) < 0.3)
    by_name = differences({"x": before, "y": before}, {"x": better, "y": before})
    assert by_name["x"].p < 0.001
    assert 0 < by_name["x"].low < by_name["x"].mean < by_name["x"].high
    assert by_name["y"] == statistics.Difference(0.0, 0.0, 0.0, 1.0)
    assert differences({}, {}) == {}


def test_the_randomisation_test_agrees_with_scipy_few_and_many() -> None:
    rng = np.random.default_rng(4)
    for count in (8, 60):
        change = rng.normal(0.2, 1, size=count)
        theirs = stats.permutation_test(
            (change, np.zeros(count)), lambda x, y: np.mean(x - y), permutation_type="samples", rng=0
        )
        assert randomisation_test(change[:, None])[0] == pytest.approx(theirs.pvalue, abs=0.02)


def test_without_a_difference_p_is_rarely_small() -> None:
    rng = np.random.default_rng(5)
    changes = (rng.random((80, 200)) < 0.5).astype(float) - (rng.random((80, 200)) < 0.5)
    assert np.mean(np.array(randomisation_test(changes)) < 0.05) < 0.1


@pytest.mark.parametrize(("better", "worse"), [(0, 0), (1, 0), (7, 3), (60, 23), (500, 500), (3000, 2800)])
def test_the_sign_test_is_twice_the_smaller_tail_of_a_fair_coin(better: int, worse: int) -> None:
    count = better + worse
    tail = sum(math.comb(count, i) for i in range(min(better, worse) + 1))
    assert sign_test(better, worse) == pytest.approx(min(1.0, 2 * tail / 2**count), rel=1e-6)


def test_a_figure_that_is_no_mean_is_compared_on_the_same_resamples() -> None:
    rng = np.random.default_rng(6)
    before = rng.normal(size=500)
    same = statistics.bootstrap_difference(before, before, 0.0)
    assert (same.low, same.high, same.p) == (0, 0, 1)
    difference = statistics.bootstrap_difference(before, before + 1, 1.0)
    assert (difference.low, difference.high) == pytest.approx((1, 1))
    assert difference.p < 0.01
    gaps = np.where(np.arange(500) % 2, np.nan, before)
    assert statistics.bootstrap_difference(gaps, before, 0.0).p == 1


def test_the_interval_of_a_figure_that_no_sample_measures_is_nan() -> None:
    assert np.isnan(statistics.ends(np.full((10, 1), np.nan))).all()


def test_halves_are_disjoint() -> None:
    for chosen, measured in halves(7):
        assert (chosen.sum(), measured.sum()) == (3, 4)
        assert not (chosen & measured).any()


def test_a_threshold_is_chosen_on_one_half_and_measured_on_the_other() -> None:
    rng = np.random.default_rng(7)
    confidence = rng.random(4000)
    right = rng.random(4000) < confidence
    share, reached = coverage_of_halves(confidence, right, 0.9)
    assert reached == pytest.approx(0.9, abs=0.02)
    assert share == pytest.approx(0.2, abs=0.06)  # P(right) = confidence: above 0.8 it is 0.9 on average
    share, reached = coverage_of_halves(confidence, np.zeros(4000, dtype=bool), 0.9)
    assert share == 0
    assert math.isnan(reached)


def test_questions_about_one_entry_are_no_independent_draws() -> None:
    """Ten questions an entry that succeed or fail together: the interval is that of the entries."""
    entries = np.repeat(np.arange(60), 10)
    of_entries = (np.random.default_rng(8).random(60) < 0.6).astype(float)
    values = {"x": of_entries[entries]}
    low, high = mean_intervals(values, entries)["x"]
    alone = mean_intervals({"x": of_entries})["x"]
    assert (low, high) == pytest.approx(alone, abs=0.02)
    naive = mean_intervals(values)["x"]
    assert high - low > 2.5 * (naive[1] - naive[0])


def test_entries_with_many_questions_count_for_more() -> None:
    entries = np.array([0] * 30 + list(range(1, 31)))
    values = np.array([1.0] * 30 + [0.0] * 30)
    low, high = mean_intervals({"x": values}, entries)["x"]
    assert low < 0.5 < high
    assert (low, high) != (0.0, 1.0)


def test_differences_of_entries_that_move_as_a_whole_are_tested_as_so_many_entries() -> None:
    entries = np.repeat(np.arange(4), 20)
    before, after = np.zeros(80), np.ones(80)
    assert differences({"x": before}, {"x": after}, entries)["x"].p == pytest.approx(2 / 2**4)
    assert differences({"x": before}, {"x": after})["x"].p < 0.001


def test_the_sign_test_counts_each_entry_once_by_its_net_change() -> None:
    entries = np.array([0, 0, 0, 1, 1, 2, 3])
    changes = np.array([3.0, -0.1, 0.2, 1.0, -9.0, 0.0, 0.5])  # 0 and 3 rise, 1 is even, 2 is unmoved
    assert sign_test_of(changes, entries) == sign_test(2, 0)
    assert sign_test_of(np.empty(0), np.empty(0, dtype=np.int64)) == 1
