"""Hard negatives: for each pair, the texts of other groups that are most similar to the anchor.

The project has a miner of its own because sentence-transformers' `mine_hard_negatives` knows no groups. It works in
blocks and never holds the similarities of all anchors with all texts. A text that is nearly as similar to the anchor as
the positive is probably another wording of the right answer, and is left out: "NV-Retriever: Improving text
embedding models with effective hard-negative mining" (Moreira et al. 2024, arXiv 2407.15831, TopK-PercPos).
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from sentence_transformers import SentenceTransformer
from torch import Tensor

from app import durable
from trainer.data.training_set import Pair
from trainer.training.tokens import Tokens, embed
from trainer.training.towers import ANSWER, QUESTION, tower

BLOCK_CELLS = 4_000_000  # of the similarity matrix of a block


@dataclass(frozen=True)
class Negatives:
    """The candidates with their groups, and for each pair the mined ones, most similar first."""

    candidates: list[tuple[str, int]]
    mined: list[list[int]]  # of each pair, positions in `candidates`

    def save(self, path: Path) -> None:
        """Write them to a JSON file atomically."""
        durable.write(path, json.dumps({"candidates": self.candidates, "mined": self.mined}, ensure_ascii=False))

    @classmethod
    def load(cls, path: Path) -> "Negatives":
        """Read a file that `save` wrote."""
        content = json.loads(path.read_text(encoding="utf-8"))
        return cls([(text, group) for text, group in content["candidates"]], content["mined"])


def mine(model: SentenceTransformer, pairs: Sequence[Pair], count: int, margin: float, bf16: bool = False) -> Negatives:
    """Up to `count` negatives for each pair, among the positives of the other groups.

    A text that is more than `margin` times as similar to the anchor as the positive is left out.
    """
    candidates = list(dict.fromkeys((pair.positive, pair.group) for pair in pairs))
    anchors = list(dict.fromkeys(pair.anchor for pair in pairs))
    rows = {text: row for row, text in enumerate(anchors)}
    columns = {candidate: column for column, candidate in enumerate(candidates)}
    question_tower, answer_tower = tower(model, QUESTION), tower(model, ANSWER)
    questions = embed(question_tower, Tokens(question_tower, anchors), bf16)[
        [rows[pair.anchor] for pair in pairs]
    ]  # (pairs, dimension)
    texts = embed(answer_tower, Tokens(answer_tower, [text for text, _ in candidates]), bf16)  # (candidates, dimension)
    positives = torch.tensor([columns[pair.positive, pair.group] for pair in pairs])
    groups = torch.tensor([pair.group for pair in pairs])
    candidate_groups = torch.tensor([group for _, group in candidates])
    mined: list[list[int]] = []
    size = max(1, BLOCK_CELLS // len(candidates))
    for start in range(0, len(pairs), size):
        block = slice(start, start + size)
        positive = (questions[block] * texts[positives[block]]).sum(dim=1, keepdim=True)  # (block, 1)
        similarity = questions[block] @ texts.T  # (block, candidates)
        similarity[(similarity > margin * positive) | (groups[block, None] == candidate_groups)] = -torch.inf
        mined += _best(similarity, count)
    return Negatives(candidates, mined)


def _best(similarity: Tensor, count: int) -> list[list[int]]:
    """The positions of up to `count` finite values of each row, largest first."""
    top = similarity.topk(min(count, similarity.shape[1]), dim=1)
    rows = zip(top.indices.tolist(), top.values.isfinite().tolist(), strict=True)
    return [[position for position, allowed in zip(*row, strict=True) if allowed] for row in rows]
