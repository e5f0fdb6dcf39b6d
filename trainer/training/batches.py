"""Collation: from row numbers to the batch that a loss takes.

A batch holds each distinct text once, in padded blocks of similar length, and labels that say what each text is. Texts
come as token ids for the model to embed or, for a head on a frozen model, as precomputed vectors. In a model of two
towers a text belongs to one tower; both towers can read the same text.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple, Protocol

import torch
from sentence_transformers import SentenceTransformer
from torch import Tensor

from trainer.data.training_set import Pair
from trainer.training.labels import PairLabels
from trainer.training.tokens import Tokens
from trainer.training.towers import ANSWER, QUESTION, has_towers, tower

Batch = dict[str, Any]


class Texts(Protocol):
    """Distinct texts, in a form that a model or its head takes."""

    def blocks(self, chosen: Sequence[int]) -> Iterator[tuple[list[int], Batch]]:
        """The chosen texts in blocks: the numbers of the block's texts, and its features."""

    def length(self, text: int) -> int:
        """The cost of a text, in tokens."""


class TokenTexts:
    """Texts as token ids, each with the tower that reads it. A model of one tower reads all of them."""

    def __init__(self, model: SentenceTransformer, texts: Sequence[tuple[str, str]]) -> None:
        self.routed = has_towers(model)
        self.sides = [side for _, side in texts]
        self.tokens = Tokens(tower(model, QUESTION), [text for text, _ in texts])

    def blocks(self, chosen: Sequence[int]) -> Iterator[tuple[list[int], Batch]]:
        """Padded blocks. With two towers, the feature `task` names the tower that reads the block."""
        if not self.routed:
            yield from self.tokens.blocks(chosen)
            return
        for side in (QUESTION, ANSWER):
            for block, features in self.tokens.blocks([text for text in chosen if self.sides[text] == side]):
                yield block, {**features, "task": side}

    def length(self, text: int) -> int:
        """The number of its tokens."""
        return len(self.tokens.ids[text])


class VectorTexts:
    """Texts as vectors of the frozen part of a model, (texts, dimension)."""

    def __init__(self, vectors: Tensor) -> None:
        self.vectors = vectors

    def blocks(self, chosen: Sequence[int]) -> Iterator[tuple[list[int], Batch]]:
        """All chosen texts as one block."""
        yield list(chosen), {"sentence_embedding": self.vectors[torch.tensor(chosen, device=self.vectors.device)]}

    def length(self, text: int) -> int:
        """1: all vectors cost the same."""
        return 1


class NumberedPair(NamedTuple):
    """A pair whose texts are given by number; see `PairTexts.texts`."""

    anchor: int
    positive: int
    group: int
    weight: float


class PairTexts:
    """Numbers the distinct texts of pairs, mined candidates and known negatives.

    A text has one number for each tower that reads it, and a single number in a model of one tower. With `echo`, the
    text of each answered question, read as an answer, is a negative of that question.
    """

    def __init__(
        self,
        pairs: Sequence[Pair],
        candidates: Sequence[tuple[str, int]] = (),
        known_negatives: Sequence[tuple[str, str]] = (),
        *,
        towers: bool = False,
        echo: bool = False,
    ) -> None:
        self._towers = towers
        self._numbers: dict[tuple[str, str], int] = {}
        self.pairs = [self._numbered(pair) for pair in pairs]
        self.candidates = [(self._number(text, ANSWER), group) for text, group in candidates]
        self.known_negatives: dict[int, dict[int, None]] = defaultdict(dict)  # of each text, in both directions
        for question, answer in known_negatives:
            left, right = self._number(question, QUESTION), self._number(answer, ANSWER)
            self.known_negatives[left].setdefault(right)
            self.known_negatives[right].setdefault(left)
        self.echoes = [self._number(pair.anchor, ANSWER) if echo and pair.answered else None for pair in pairs]

    @property
    def texts(self) -> list[tuple[str, str]]:
        """Every text with the tower that reads it, in the order of the numbers."""
        return list(self._numbers)

    def negatives_of_anchor(self, row: int) -> Iterator[int]:
        """The texts that count against the anchor of this pair only."""
        if (echo := self.echoes[row]) is not None:
            yield echo
        yield from self.known_negatives.get(self.pairs[row].anchor, ())

    def negatives_of_positive(self, row: int) -> Iterator[int]:
        """The texts that count against the positive of this pair only."""
        yield from self.known_negatives.get(self.pairs[row].positive, ())

    def _numbered(self, pair: Pair) -> NumberedPair:
        positive = self._number(pair.positive, ANSWER if pair.answered else QUESTION)
        return NumberedPair(self._number(pair.anchor, QUESTION), positive, pair.group, pair.weight)

    def _number(self, text: str, side: str) -> int:
        return self._numbers.setdefault((text, side if self._towers else QUESTION), len(self._numbers))


class PairCollator:
    """Makes a batch for `EntryRankingLoss` of row numbers.

    `mined` holds, for each pair, the positions of its negatives among the candidates. A mined text enters a batch once,
    and not at all where it is a positive of the batch.
    """

    valid_label_columns = ("label",)

    def __init__(self, pair_texts: PairTexts, texts: Texts, mined: Sequence[Sequence[int]] = ()) -> None:
        self.pair_texts, self.texts, self.mined = pair_texts, texts, mined

    def lengths(self) -> list[int]:
        """The tokens of each pair."""
        return [self.texts.length(pair.anchor) + self.texts.length(pair.positive) for pair in self.pair_texts.pairs]

    def __call__(self, rows: Sequence[Mapping[str, int]]) -> Batch:
        """The blocks of texts, their features named `<block>_<feature>`, and `label`, a `PairLabels`."""
        chosen = [row["row"] for row in rows]
        source = self.pair_texts
        pairs = [source.pairs[row] for row in chosen]
        present = {pair.positive for pair in pairs}
        mined = dict.fromkeys(number for row in chosen for number in self.mined[row]) if self.mined else {}
        negatives = [source.candidates[number] for number in mined if source.candidates[number][0] not in present]
        anchors, positives = [pair.anchor for pair in pairs], [pair.positive for pair in pairs]
        against_anchors = [(text, i) for i, row in enumerate(chosen) for text in source.negatives_of_anchor(row)]
        against_positives = [(text, i) for i, row in enumerate(chosen) for text in source.negatives_of_positive(row)]
        others = [text for text, _ in (*negatives, *against_anchors, *against_positives)]
        batch, positions = _blocks(self.texts, list(dict.fromkeys((*anchors, *positives, *others))))

        def at(texts: Sequence[int]) -> Tensor:
            return _integers([positions[text] for text in texts])

        batch["label"] = PairLabels(
            anchors=at(anchors),
            positives=at(positives),
            groups=_integers([pair.group for pair in pairs]),
            weights=torch.tensor([pair.weight for pair in pairs], dtype=torch.float32),
            negatives=at([text for text, _ in negatives]),
            negative_groups=_integers([group for _, group in negatives]),
            anchor_negatives=at([text for text, _ in against_anchors]),
            anchor_rows=_integers([row for _, row in against_anchors]),
            positive_negatives=at([text for text, _ in against_positives]),
            positive_rows=_integers([row for _, row in against_positives]),
        )
        return batch


class LabelCollator:
    """Makes a batch for `TripletLoss` of row numbers."""

    valid_label_columns = ("label",)

    def __init__(self, texts: Texts) -> None:
        self.texts = texts

    def __call__(self, rows: Sequence[Mapping[str, int]]) -> Batch:
        """The blocks of texts, their features named `<block>_<feature>`, and `label`, their groups, (texts,)."""
        groups = {row["row"]: row["label"] for row in rows}
        batch, positions = _blocks(self.texts, list(groups))
        return {**batch, "label": _integers([groups[text] for text in positions])}


def _blocks(texts: Texts, chosen: Sequence[int]) -> tuple[Batch, dict[int, int]]:
    """The features by `<block>_<feature>`, and of each text its position in the order of the blocks."""
    batch: Batch = {}
    positions: dict[int, int] = {}
    for number, (block, features) in enumerate(texts.blocks(chosen)):
        batch |= {f"{number:03}_{name}": value for name, value in features.items()}
        positions |= {text: len(positions) + i for i, text in enumerate(block)}
    return batch, positions


def _integers(values: Sequence[int]) -> Tensor:
    return torch.tensor(values, dtype=torch.int64)
