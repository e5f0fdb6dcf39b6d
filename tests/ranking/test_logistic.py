"""Logistic regression: what it finds, and that it finds it where Newton's full steps would not."""

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from app.ranking.logistic import fit_logistic, logit, sigmoid


def test_it_agrees_with_scikit_learn() -> None:
    rng = np.random.default_rng(0)
    features = rng.normal(size=(400, 3))
    targets = rng.random(400) < sigmoid(features @ [1.0, -2.0, 0.5])
    theirs = LogisticRegression(C=0.5, fit_intercept=False, tol=1e-8).fit(features, targets)
    ours = fit_logistic(features, targets.astype(np.float64), np.full(3, 2.0))
    np.testing.assert_allclose(ours, theirs.coef_[0], atol=1e-4)


def test_it_is_pulled_towards_the_prior() -> None:
    features, prior = np.array([[1.0, 2.0]]), np.array([0.0, 1.0])
    np.testing.assert_allclose(fit_logistic(features, np.array([0.0]), np.full(2, 1e6), prior), prior, atol=1e-4)


def test_a_prior_that_the_data_refute_is_left() -> None:
    features = np.stack([np.ones(1000), np.full(1000, logit(np.array(1.0)))], axis=1)
    weights = fit_logistic(features, np.tile([0.0, 1.0], 500), np.full(2, 4.0), np.array([0.0, 1.0]))
    assert sigmoid(features[:1] @ weights)[0] == pytest.approx(0.5, abs=0.01)


def test_a_row_that_counts_twice_is_two_rows() -> None:
    rng = np.random.default_rng(0)
    features, targets, ridge = rng.normal(size=(50, 2)), (rng.random(50) < 0.5).astype(np.float64), np.full(2, 0.1)
    twice = np.concatenate([features, features[:10]]), np.concatenate([targets, targets[:10]])
    counts = np.where(np.arange(50) < 10, 2.0, 1.0)
    np.testing.assert_allclose(fit_logistic(features, targets, ridge, counts=counts), fit_logistic(*twice, ridge))
