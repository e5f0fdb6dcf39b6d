"""A model of two towers: one encoder reads questions and phrasings, another reads answers.

sentence-transformers' Router holds both, under its own names for the sides. A model without a Router has one tower,
which reads everything; all that asks here for a tower works for both kinds.
"""

import copy
from typing import Any

from sentence_transformers import SentenceTransformer
from sentence_transformers.base.modules.router import Router

QUESTION, ANSWER = "query", "document"  # the Router's names


def has_towers(model: SentenceTransformer) -> bool:
    """Whether questions and answers are read by different encoders."""
    return isinstance(model[0], Router)


def tower(model: SentenceTransformer, side: str) -> SentenceTransformer:
    """The encoder of one side, as a model that shares its weights with the whole; the model itself if it has one."""
    if not has_towers(model):
        return model
    modules = list(model[0].sub_modules[side])  # type: ignore[index]  # a ModuleDict
    encoder = SentenceTransformer(modules=[*modules, *list(model)[1:]], device=str(model.device))
    return encoder.train(model.training)


def towers(model: SentenceTransformer) -> list[SentenceTransformer]:
    """Every encoder of the model, that of questions first."""
    return [tower(model, side) for side in (QUESTION, ANSWER)] if has_towers(model) else [model]


def as_two_towers(model: SentenceTransformer) -> SentenceTransformer:
    """A model of two towers that both begin as this one, which becomes the tower of questions."""
    modules: list[Any] = list(model)
    router = Router.for_query_document(modules, copy.deepcopy(modules), default_route=QUESTION)
    return SentenceTransformer(modules=[router], device=str(model.device)).eval()
