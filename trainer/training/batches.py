"""From row numbers to what a loss takes: texts, each once, in blocks of like length, and labels that say what they are.

Texts come as token ids, to be embedded by the model, or, where all but a head is frozen, as vectors made before. In a
model of two towers each text belongs to one of them; the same text may be read by both.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Protocol

import torch
from sentence_transformers import SentenceTransformer
from torch import Tensor

from trainer.data import Pair
from trainer.towers import ANSWER, QUESTION, has_towers, tower
from trainer.training.losses import ANCHOR, APART, APART_FROM_POSITIVE, NEGATIVE, POSITIVE
from trainer.training.tokens import Tokens

Batch = dict[str, Any]
Label = tuple[int, int, int, float]  # which text, what it is, its group (or the row of its pair), weight


class Texts(Protocol):
    """Distinct texts, in a form that a model or its head can be given."""

    def blocks(self, chosen: Sequence[int]) -> Iterator[tuple[list[int], Batch]]:
        """The chosen texts in blocks of features; with each block, which they are."""

    def length(self, text: int) -> int:
        """What a text costs, in tokens."""


class TokenTexts:
    """Texts as token ids, each with the tower that reads it; a model of one tower reads all with that one."""

    def __init__(self, model: SentenceTransformer, texts: Sequence[tuple[str, str]]) -> None:
        self.routed = has_towers(model)
        self.sides = [side for _, side in texts]
        self.tokens = Tokens(tower(model, QUESTION), [text for text, _ in texts])

    def blocks(self, chosen: Sequence[int]) -> Iterator[tuple[list[int], Batch]]:
        """Padded blocks; those of a model of two towers name the one that reads them."""
        if not self.routed:
            yield from self.tokens.blocks(chosen)
            return
        for side in (QUESTION, ANSWER):
            for block, features in self.tokens.blocks([one for one in chosen if self.sides[one] == side]):
                yield block, {**features, "task": side}

    def length(self, text: int) -> int:
        """Its tokens."""
        return len(self.tokens.ids[text])


class VectorTexts:
    """Texts as vectors of the frozen part of a model, (texts, dimension)."""

    def __init__(self, vectors: Tensor) -> None:
        self.vectors = vectors

    def blocks(self, chosen: Sequence[int]) -> Iterator[tuple[list[int], Batch]]:
        """All of them as one block."""
        yield list(chosen), {"sentence_embedding": self.vectors[torch.tensor(chosen, device=self.vectors.device)]}

    def length(self, text: int) -> int:
        """The same for each: a vector is a vector."""
        return 1


class PairTexts:
    """Which texts there are among pairs, mined candidates and what is to be kept apart, and where each stands.

    A text counts once for each tower that reads it, and once in all where there is one tower.
    """

    def __init__(
        self,
        pairs: Sequence[Pair],
        candidates: Sequence[tuple[str, int]] = (),
        apart: Sequence[tuple[str, str]] = (),
        *,
        towers: bool = False,
        echo: bool = False,
    ) -> None:
        self._towers = towers
        self._places: dict[tuple[str, str], int] = {}
        self.pairs = [self._placed(pair) for pair in pairs]
        self.candidates = [(self._place(text, ANSWER), group) for text, group in candidates]
        self.apart: dict[int, dict[int, None]] = defaultdict(dict)  # from each text, those that it is kept apart from
        for one, other in apart:
            left, right = self._place(one, QUESTION), self._place(other, ANSWER)
            self.apart[left].setdefault(right)
            self.apart[right].setdefault(left)
        self.echoes = [self._place(pair.anchor, ANSWER) if echo and pair.answered else None for pair in pairs]

    @property
    def texts(self) -> list[tuple[str, str]]:
        """Every text with the tower that reads it."""
        return list(self._places)

    def _placed(self, pair: Pair) -> tuple[int, int, int, float]:
        positive = self._place(pair.positive, ANSWER if pair.answered else QUESTION)
        return self._place(pair.anchor, QUESTION), positive, pair.group, pair.weight

    def _place(self, text: str, side: str) -> int:
        return self._places.setdefault((text, side if self._towers else QUESTION), len(self._places))


class PairCollator:
    """From row numbers to what `EntryRankingLoss` takes; it pads and nothing else.

    `negatives` holds for each pair the mined texts, as positions among the candidates; they are given to the loss once,
    however many pairs of the batch they were mined for, and not at all where they are a positive of the batch.
    """

    valid_label_columns = ("label",)

    def __init__(self, of: PairTexts, texts: Texts, negatives: Sequence[Sequence[int]] = ()) -> None:
        self.of, self.texts, self.negatives = of, texts, negatives

    def lengths(self) -> list[int]:
        """The tokens of each pair."""
        return [self.texts.length(anchor) + self.texts.length(positive) for anchor, positive, *_ in self.of.pairs]

    def __call__(self, rows: Sequence[Mapping[str, int]]) -> Batch:
        """Blocks of texts, their features named `<block>_<feature>`, and the labels, (n, 4)."""
        chosen = [row["row"] for row in rows]
        pairs = [self.of.pairs[row] for row in chosen]
        labels: list[Label] = [(anchor, ANCHOR, group, weight) for anchor, _, group, weight in pairs]
        labels += [(positive, POSITIVE, group, weight) for _, positive, group, weight in pairs]
        mined = dict.fromkeys(one for row in chosen for one in self.negatives[row]) if self.negatives else {}
        present = {positive for _, positive, *_ in pairs}
        negatives = [self.of.candidates[one] for one in mined]
        labels += [(text, NEGATIVE, group, 1.0) for text, group in negatives if text not in present]
        echoes = [(self.of.echoes[one], row) for row, one in enumerate(chosen)]
        labels += [(text, APART, row, 1.0) for text, row in echoes if text is not None]
        for row, (anchor, positive, *_) in enumerate(pairs):
            labels += [(text, APART, row, 1.0) for text in self.of.apart.get(anchor, ())]
            labels += [(text, APART_FROM_POSITIVE, row, 1.0) for text in self.of.apart.get(positive, ())]
        return batch_of(self.texts, labels)


class LabelCollator:
    """From row numbers to what a triplet loss takes: texts, and the group of each, (n, 1)."""

    valid_label_columns = ("label",)

    def __init__(self, texts: Texts) -> None:
        self.texts = texts

    def __call__(self, rows: Sequence[Mapping[str, int]]) -> Batch:
        """Blocks of texts, their features named `<block>_<feature>`, and the groups in the order of the blocks."""
        groups = {row["row"]: row["label"] for row in rows}
        batch, at = _blocks(self.texts, list(groups))
        return {**batch, "label": torch.tensor([groups[text] for text in at])}


def batch_of(texts: Texts, labels: Sequence[Label]) -> Batch:
    """The texts that the labels name, in blocks, and the labels with the places of these."""
    batch, at = _blocks(texts, list(dict.fromkeys(label[0] for label in labels)))
    return {**batch, "label": torch.tensor([(at[text], *rest) for text, *rest in labels], dtype=torch.float64)}


def _blocks(texts: Texts, chosen: Sequence[int]) -> tuple[Batch, dict[int, int]]:
    """Features by `<block>_<feature>`, and of each text its place, in the order of the blocks."""
    batch: Batch = {}
    at: dict[int, int] = {}
    for number, (block, features) in enumerate(texts.blocks(chosen)):
        batch |= {f"{number:03}_{name}": value for name, value in features.items()}
        at |= {text: len(at) + i for i, text in enumerate(block)}
    return batch, at
