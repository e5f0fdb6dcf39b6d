"""Checks of an exported model: whether its graph computes what torch does, and what 8 bits cost.

parity               cosine between torch and the graph, on average and at the least, over a sample of the FAQ's texts
batch_independence   least cosine between a text alone and the same text in a batch of 16
ranking              what 8 bits cost in precision@1 and MRR over the FAQ's own phrasings, beyond what chance explains
"""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import NamedTuple

import numpy as np
from sentence_transformers import SentenceTransformer

from app.arrays import Floats, Integers, Vectors
from app.encoding.bundle import Bundle
from app.encoding.encoder import Encoder
from app.knowledge.entry import Entry
from app.knowledge.queries import Query
from app.ranking.defaults import QUESTION_WEIGHT
from trainer.data.training_set import order
from trainer.evaluation import evaluate, statistics
from trainer.evaluation.corpus import Corpus
from trainer.evaluation.evaluate import Encode
from trainer.evaluation.statistics import Difference
from trainer.training.towers import ANSWER, QUESTION, has_towers, tower

INDEPENDENCE = 0.999  # at the least
PARITY, PARITY_LEAST = 0.998, 0.98  # on average, and at the least
RANKING_LOSS, SIGNIFICANT = 0.005, 0.05  # most that 8 bits may cost in a ranking metric; below which p it is a cost
SAMPLE = 128  # texts that parity and independence are checked on
QUERIES, ENTRIES = 2000, 2000  # that ranking is compared on, at most


def max_tokens(model: SentenceTransformer) -> int:
    """How many tokens the model reads; `trainer.training.model.load` has set it."""
    return int(tower(model, QUESTION).max_seq_length or 0)


def agreement(model: SentenceTransformer, bundle: Bundle, entries: Sequence[Entry]) -> dict[str, float]:
    """The parity and batch independence of all towers together, by the name of the check."""
    encoder = Encoder(bundle)
    sides: dict[str, Encode] = {QUESTION: encoder.encode_queries, ANSWER: partial(_first_windows, encoder)}
    names = (QUESTION, ANSWER) if has_towers(model) else (QUESTION,)
    cosines = [_agreement_of(tower(model, name), sides[name], sampled_texts(entries)) for name in names]
    parity, independence = (np.concatenate(side) for side in zip(*cosines, strict=True))
    return {
        "parity": float(parity.mean()),
        "parity_least": float(parity.min()),
        "batch_independence": float(independence.min()),
    }


def _agreement_of(model: SentenceTransformer, encode: Encode, texts: Sequence[str]) -> tuple[Vectors, Vectors]:
    """Cosines of one tower, (texts,) each: torch and the graph; a text alone and in a batch of mixed lengths."""
    exact = model.encode(list(texts), normalize_embeddings=True, show_progress_bar=False, convert_to_numpy=True)
    alone = np.concatenate([encode([text]) for text in texts])
    mixed = np.concatenate([encode(texts[start : start + 16]) for start in range(0, len(texts), 16)])
    return (exact * mixed).sum(axis=1), (alone * mixed).sum(axis=1)


def _first_windows(encoder: Encoder, texts: Sequence[str]) -> Vectors:
    """Embeddings of the first window of each text, (n, dimension); torch reads no more of a text."""
    return np.stack([windows[0] for windows in encoder.encode_documents(texts)])


def sampled_texts(entries: Sequence[Entry]) -> list[str]:
    """A sample of the FAQ's answers and phrasings, at most SAMPLE."""
    return _sampled([text for entry in entries for text in (entry.plain_answer, *entry.phrasings)], SAMPLE)


def ranking_changes(exact: Bundle, small: Bundle, entries: Sequence[Entry]) -> dict[str, Difference]:
    """The change of precision@1 and MRR from the exact bundle to the 8-bit one, over phrasings of the entries."""
    before, after = _ranked(exact, entries), _ranked(small, entries)
    return statistics.differences(before.table, after.table, before.entries)


class _Ranked(NamedTuple):
    """Precision@1 and MRR of phrasings, (phrasings,) each, and the entry of each phrasing as a number."""

    table: dict[str, Floats]
    entries: Integers


def _ranked(bundle: Bundle, entries: Sequence[Entry]) -> _Ranked:
    """The ranks of a sample of phrasings, each left out of the index for its own search."""
    names = set(_sampled([entry.id for entry in entries], ENTRIES))
    searched = [entry for entry in entries if entry.id in names]
    phrasings = {phrasing: entry.id for entry in searched for phrasing in entry.phrasings}
    queries = [Query(text, phrasings[text]) for text in _sampled(list(phrasings), QUERIES)]
    encoder = Encoder(bundle)
    if not queries:
        return _Ranked({}, np.empty(0, dtype=np.int64))
    outcomes = evaluate.dense(QUESTION_WEIGHT, Corpus(searched, encoder), encoder, queries)
    return _Ranked({name: outcomes.table[name] for name in ("precision@1", "mrr")}, outcomes.about)


def disagreement(measured: Mapping[str, float]) -> str | None:
    """The first of `agreement`'s checks that fails and by how much, as a reason; None if all pass."""
    required = {"parity": PARITY, "parity_least": PARITY_LEAST, "batch_independence": INDEPENDENCE}
    for name, least in required.items():
        if not measured[name] >= least:  # NaN fails too
            return f"{name} is {measured[name]:.4f}, less than {least}"
    return None


def ranking_loss(changes: Mapping[str, Difference]) -> str | None:
    """The first metric that 8 bits lower significantly and by more than RANKING_LOSS, as a reason; None if none."""
    for name, change in changes.items():
        if -change.mean > RANKING_LOSS and change.p < SIGNIFICANT:
            return f"{name} fell by {-change.mean:.4f}, more than {RANKING_LOSS}, p {change.p:.3f}"
    return None


def _sampled(texts: Sequence[str], count: int) -> list[str]:
    return sorted(dict.fromkeys(texts), key=lambda text: order(text, 0))[:count]
