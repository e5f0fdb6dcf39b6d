"""Logistic regression of few features, by Newton's method. Pure numpy."""

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

STEPS, TOLERANCE = 100, 1e-8
LEAST_SIZE = 1e-6  # of a step, as a share of Newton's
LOGIT_BOUND = 30.0
LEAST = 0.001  # nothing that was seen some hundred times is surer than that


def sigmoid(logits: Floats) -> Floats:
    """1 / (1 + exp(-x)), without overflow."""
    return np.asarray(1.0 / (1.0 + np.exp(-np.clip(logits, -LOGIT_BOUND, LOGIT_BOUND))))


def logit(probabilities: Floats) -> Floats:
    """log(p / (1 - p)), of probabilities bounded to [0.001, 0.999]."""
    p = np.clip(probabilities, LEAST, 1.0 - LEAST)
    return np.asarray(np.log(p) - np.log1p(-p))


def fit_logistic(features: Floats, targets: Floats, ridge: Floats, prior: Floats | None = None) -> Floats:
    """The weights of the columns of (n, features) that fit `targets` in [0, 1], (features,).

    `ridge`, (features,): how strongly each weight is pulled towards `prior`, which is 0 where it is not given.
    """
    prior = np.zeros(features.shape[1]) if prior is None else prior
    weights = prior.astype(np.float64)

    def loss(at: Floats) -> float:
        logits = features @ at
        likelihood = np.logaddexp(0.0, logits) - targets * logits
        return float(likelihood.sum() + 0.5 * (ridge * (at - prior) ** 2).sum())

    for _ in range(STEPS):
        p = sigmoid(features @ weights)
        gradient = features.T @ (p - targets) + ridge * (weights - prior)
        hessian = (features * (p * (1 - p))[:, None]).T @ features + np.diag(ridge)
        step = np.linalg.solve(hessian, gradient)
        size, present = 1.0, loss(weights)
        while loss(weights - size * step) > present and size > LEAST_SIZE:  # a full step may go too far
            size /= 2
        weights = weights - size * step
        if np.abs(step).max() < TOLERANCE:
            break
    return weights
