"""A model of two towers: one encoder reads questions and phrasings, another reads answers.

sentence-transformers' Router holds both. A model without a Router has one tower, which reads everything; the functions
here work for both kinds of model.
"""

import copy
from typing import Any

from sentence_transformers import SentenceTransformer
from sentence_transformers.base.modules.router import Router

QUESTION, ANSWER = "query", "document"  # the Router's names of the sides


def has_towers(model: SentenceTransformer) -> bool:
    """Whether questions and answers are read by different encoders."""
    return isinstance(model[0], Router)


def tower(model: SentenceTransformer, side: str) -> SentenceTransformer:
    """The encoder of one side, which shares its weights with the model. With one tower, the model itself."""
    if not has_towers(model):
        return model
    modules = list(model[0].sub_modules[side])  # type: ignore[index]  # a ModuleDict
    encoder = SentenceTransformer(modules=[*modules, *list(model)[1:]], device=str(model.device))
    return encoder.train(model.training)


def towers(model: SentenceTransformer) -> list[SentenceTransformer]:
    """The encoders of the model, that of the questions first."""
    return [tower(model, side) for side in (QUESTION, ANSWER)] if has_towers(model) else [model]


def as_two_towers(model: SentenceTransformer) -> SentenceTransformer:
    """A model of two towers: `model` itself for the questions, and a copy of it for the answers."""
    modules: list[Any] = list(model)
    router = Router.for_query_document(modules, copy.deepcopy(modules), default_route=QUESTION)
    return SentenceTransformer(modules=[router], device=str(model.device)).eval()
