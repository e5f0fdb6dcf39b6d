"""Interpolates between the weights of the base model and the fine-tuned ones, and keeps the share the guard chooses."""

import logging
from collections.abc import Sequence

import numpy as np
from sentence_transformers import SentenceTransformer
from torch import Tensor

from app.encoding.bundle import HeldOut
from app.knowledge.entry import Entry
from trainer import guard
from trainer.evaluation.validation import Validation
from trainer.guard import SHARES, Gains, Shipped
from trainer.recipes import Recipe

QUESTIONS, ENTRIES = 500, 2000  # that the shares are measured on, at most

Weights = dict[str, Tensor]
log = logging.getLogger("trainer")


def weights_of(model: SentenceTransformer) -> Weights:
    """A copy of the model's weights, on the processor."""
    return {name: value.detach().cpu().clone() for name, value in model.state_dict().items()}


def between(base: Weights, tuned: Weights, share: float) -> Weights:
    """base + share (tuned - base). Weights that the base lacks, such as an added layer's, are the tuned model's."""
    return {
        name: base[name] + share * (value - base[name]) if name in base and value.is_floating_point() else value
        for name, value in tuned.items()
    }


def keep_best(
    model: SentenceTransformer, base: Weights, recipe: Recipe, entries: Sequence[Entry], heldout: Sequence[HeldOut]
) -> Shipped | None:
    """Give the fine-tuned model the weights that the guard chooses; None if the recipe ships what it trained.

    The base of a recipe that trains a head or two towers has another form, so there is nothing to average with.
    """
    if recipe.trainable != "model":
        return None
    tuned = weights_of(model)
    shipped = guard.decide(gains(model, base, tuned, Validation.of(entries, heldout, recipe.bf16, *_BOUNDS)))
    model.load_state_dict(between(base, tuned, shipped.share))
    log.info("%s", shipped.reason)
    return shipped


_BOUNDS = (1, QUESTIONS, ENTRIES)


def gains(model: SentenceTransformer, base: Weights, tuned: Weights, validation: Validation | None) -> Gains:
    """The gains of each share over the base model on held-out questions. Leaves other weights in the model."""
    if validation is None:
        return Gains(np.zeros((len(SHARES), 0)), [])
    ranks = []
    for share in (0.0, *SHARES):
        model.load_state_dict(between(base, tuned, share))
        ranks.append(validation.reciprocal_ranks(model))
    return Gains(np.array([rank - ranks[0] for rank in ranks[1:]]), validation.about)
