"""Logistic regression of few features, by Newton's method. Pure numpy."""

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

STEPS, TOLERANCE = 100, 1e-8
LOGIT_BOUND = 30.0


def sigmoid(logits: Floats) -> Floats:
    """1 / (1 + exp(-x)), without overflow."""
    return np.asarray(1.0 / (1.0 + np.exp(-np.clip(logits, -LOGIT_BOUND, LOGIT_BOUND))))


def logit(probabilities: Floats) -> Floats:
    """log(p / (1 - p)), bounded to [-30, 30]."""
    least = 1.0 / (1.0 + np.exp(LOGIT_BOUND))
    p = np.clip(probabilities, least, 1.0 - least)
    return np.asarray(np.log(p) - np.log1p(-p))


def fit_logistic(features: Floats, targets: Floats, ridge: Floats, prior: Floats | None = None) -> Floats:
    """The weights of the columns of (n, features) that fit `targets` in [0, 1], (features,).

    `ridge`, (features,): how strongly each weight is pulled towards `prior`, which is 0 where it is not given.
    """
    prior = np.zeros(features.shape[1]) if prior is None else prior
    weights = prior.astype(np.float64)
    for _ in range(STEPS):
        p = sigmoid(features @ weights)
        gradient = features.T @ (p - targets) + ridge * (weights - prior)
        hessian = (features * (p * (1 - p))[:, None]).T @ features + np.diag(ridge)
        step = np.linalg.solve(hessian, gradient)
        weights = weights - step
        if np.abs(step).max() < TOLERANCE:
            break
    return weights
