"""Logistic regression of a few features, by Newton's method, in numpy."""

import math

import numpy as np

from app.arrays import Floats

STEPS, TOLERANCE = 100, 1e-8
LEAST_SIZE = 1e-6  # of a step, as a share of the full Newton step
LOGIT_BOUND = 30.0
LEAST = 0.001  # some hundred questions do not support a probability nearer to 0 or 1


def sigmoid(logits: Floats) -> Floats:
    """1 / (1 + exp(-x)), without overflow."""
    return np.asarray(1.0 / (1.0 + np.exp(-np.clip(logits, -LOGIT_BOUND, LOGIT_BOUND))))


def logit(probabilities: Floats) -> Floats:
    """log(p / (1 - p)) of probabilities, which are clipped to [0.001, 0.999]."""
    p = np.clip(probabilities, LEAST, 1.0 - LEAST)
    return np.asarray(np.log(p) - np.log1p(-p))


def sigmoid_of(logit: float) -> float:
    """As `sigmoid`, of one number, in a tenth of the time."""
    return 1.0 / (1.0 + math.exp(-min(max(logit, -LOGIT_BOUND), LOGIT_BOUND)))


def logit_of(probability: float) -> float:
    """As `logit`, of one number."""
    p = min(max(probability, LEAST), 1.0 - LEAST)
    return math.log(p) - math.log1p(-p)


def fit_logistic(
    features: Floats, targets: Floats, ridge: Floats, prior: Floats | None = None, counts: Floats | None = None
) -> Floats:
    """The weights of the columns of (n, features) that fit `targets` in [0, 1], (features,).

    `ridge`, (features,): the strength of the penalty on each weight's distance from `prior`, by default 0.
    `counts`, (n,): how many examples each row stands for, by default 1.
    """
    prior = np.zeros(features.shape[1]) if prior is None else prior
    counts = np.ones(len(features)) if counts is None else counts
    weights = prior.astype(np.float64)

    def loss(weights: Floats) -> float:
        logits = features @ weights
        likelihood = np.logaddexp(0.0, logits) - targets * logits
        return float((counts * likelihood).sum() + 0.5 * (ridge * (weights - prior) ** 2).sum())

    for _ in range(STEPS):
        p = sigmoid(features @ weights)
        gradient = features.T @ (counts * (p - targets)) + ridge * (weights - prior)
        hessian = (features * (counts * p * (1 - p))[:, None]).T @ features + np.diag(ridge)
        step = np.linalg.solve(hessian, gradient)
        size, current = 1.0, loss(weights)
        while (
            loss(weights - size * step) > current and size > LEAST_SIZE
        ):  # backtracking: a full step may raise the loss
            size /= 2
        weights = weights - size * step
        if np.abs(step).max() < TOLERANCE:
            break
    return weights
