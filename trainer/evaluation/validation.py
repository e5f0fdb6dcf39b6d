"""Evaluation of a model in training on held-out questions, at most 1,000, so that the end of an epoch takes seconds.

A question whose entry keeps other phrasings is ranked as in the service. If all phrasings of its entry are held out, a
question is ranked among the answers alone: the phrasings of other entries would compete with an entry that has none.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial

import numpy as np
import torch
from sentence_transformers import SentenceTransformer
from torch import Tensor
from torch.nn.functional import normalize as unit_length

from app.arrays import Floats, Vectors
from app.encoding.bundle import HeldOut
from app.knowledge.entry import Entry
from app.knowledge.queries import Query
from app.ranking.defaults import QUESTION_WEIGHT
from app.text.normalize import normalize
from trainer.data.training_set import order
from trainer.evaluation.corpus import Corpus
from trainer.evaluation.evaluate import FunctionEncoder, dense, validation
from trainer.training.head import Frozen, head_of, tail
from trainer.training.loop import native_bf16
from trainer.training.tokens import Tokens, embed
from trainer.training.towers import ANSWER, QUESTION, has_towers, tower

FEWEST = 30  # questions; with fewer, the choice of the best epoch is chance
QUESTIONS, ENTRIES = 1000, 5000  # at most; the same sample in every epoch


@dataclass(frozen=True)
class Validation:
    """Held-out questions and the entries that they are ranked among, in one or two parts."""

    parts: Sequence[tuple[Sequence[Entry], Sequence[Query]]]
    bf16: bool
    known: dict[tuple[str, ...], Tokens | Tensor] = field(
        default_factory=dict
    )  # texts encoded before, with what does not change in training

    @classmethod
    def of(
        cls,
        entries: Sequence[Entry],
        heldout: Sequence[HeldOut],
        bf16: bool = False,
        fewest: int = FEWEST,
        most_questions: int = QUESTIONS,
        most_entries: int = ENTRIES,
    ) -> "Validation | None":
        """A sample of the answerable questions and of the entries; None with fewer questions than `fewest`."""
        answerable = (question for question in heldout if question.faq_id is not None)
        questions = sorted(answerable, key=lambda question: order(question.question, 1))
        if len(questions) < fewest:
            return None
        questions = questions[:most_questions]
        wanted = {question.faq_id for question in questions}
        others = sorted((entry for entry in entries if entry.id not in wanted), key=lambda entry: order(entry.id, 1))
        kept = {entry.id for entry in others[: max(0, most_entries - len(wanted))]} | wanted
        searched = [entry for entry in entries if entry.id in kept]
        secret = {normalize(question.question) for question in heldout}
        phrased = {entry.id for entry in searched if not secret.issuperset(map(normalize, entry.phrasings))}
        bare = [entry.model_copy(update={"question": "", "alternatives": ()}) for entry in searched]
        parts = [
            (searched, [Query(*question) for question in questions if question.faq_id in phrased]),
            (bare, [Query(*question) for question in questions if question.faq_id not in phrased]),
        ]
        return cls([part for part in parts if part[1]], bf16)

    def __call__(self, model: SentenceTransformer) -> dict[str, float]:
        """The ranking metrics of the model with the default weight of phrasings; means over all questions."""
        encoder = self._encoder(model)
        total = sum(len(queries) for _, queries in self.parts)
        figures: dict[str, float] = {}
        for entries, queries in self.parts:
            for name, value in validation(encoder, QUESTION_WEIGHT, entries, queries).items():
                figures[name] = figures.get(name, 0.0) + value * len(queries) / total
        return figures

    @property
    def about(self) -> list[str]:
        """The id of the entry that answers each question, in the order of `reciprocal_ranks`."""
        return [query.faq_id or "" for _, queries in self.parts for query in queries]

    def reciprocal_ranks(self, model: SentenceTransformer) -> Floats:
        """The reciprocal rank of each question's right answer in the dense ranking, (questions,)."""
        encoder = self._encoder(model)
        ranks = [
            dense(QUESTION_WEIGHT, Corpus(entries, encoder), encoder, queries).table["mrr"]
            for entries, queries in self.parts
        ]
        return np.concatenate(ranks).astype(np.float64)

    def _encoder(self, model: SentenceTransformer) -> FunctionEncoder:
        bf16 = self.bf16 and native_bf16()

        def encode(side: str, texts: Sequence[str]) -> Vectors:
            return self._embedded(tower(model, side), texts, bf16).numpy()

        return FunctionEncoder(partial(encode, QUESTION), partial(encode, ANSWER) if has_towers(model) else None)

    def _embedded(self, model: SentenceTransformer, texts: Sequence[str], bf16: bool) -> Tensor:
        """Unit-length embeddings, (texts, dimension). Tokens, or the frozen layers' output, are computed only once."""
        key, headed = tuple(texts), head_of(model) is not None
        if key not in self.known:
            self.known[key] = Frozen(model, bf16).vectors(key) if headed else Tokens(model, key)
        known = self.known[key]
        if isinstance(known, Tokens):
            return embed(model, known, bf16)
        with torch.no_grad():
            vectors: Tensor = tail(model)({"sentence_embedding": known})["sentence_embedding"]
        return unit_length(vectors.float(), dim=-1).cpu()
