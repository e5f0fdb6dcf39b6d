"""Texts as token ids: tokenized once before the training, and padded in blocks of similar length in every batch.

The distinct texts of a batch are sorted by length and cut into blocks of about the same number of tokens. Each block is
padded on its own, so that a batch has little padding. Where memory is short, one block at a time is recomputed for its
gradients; see `trainer.training.blocks`.
"""

from collections.abc import Iterator, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from sentence_transformers import SentenceTransformer
from torch import Tensor, nn

TOKENIZED_TOGETHER = 1024  # texts that are tokenized in one call
BLOCK_TOKENS = {"cpu": 3072, "cuda": 131_072}  # of a block, with padding: fits a CPU's caches, fills a GPU's cores
MULTIPLE = 8  # of the width of a block, because kernels are compiled for each width

TokenIds = NDArray[np.int64]
Block = dict[str, Tensor]


class Tokens:
    """The token ids of texts, (length,) each, in the order of the texts."""

    def __init__(self, model: SentenceTransformer, texts: Sequence[str]) -> None:
        self.padding = int(model.tokenizer.pad_token_id or 0)
        self.block_tokens = BLOCK_TOKENS["cuda" if model.device.type == "cuda" else "cpu"]
        self.ids: list[TokenIds] = []
        for start in range(0, len(texts), TOKENIZED_TOGETHER):
            features = model.preprocess(list(texts[start : start + TOKENIZED_TOGETHER]))
            rows = zip(features["input_ids"].cpu().numpy(), features["attention_mask"].cpu().numpy(), strict=True)
            self.ids += [row[mask.astype(bool)].astype(np.int64) for row, mask in rows]

    def __len__(self) -> int:
        return len(self.ids)

    def blocks(self, chosen: Sequence[int]) -> Iterator[tuple[list[int], Block]]:
        """The chosen texts in padded blocks, shortest first: the numbers of the block's texts, and its features."""
        block: list[int] = []
        for text in sorted(chosen, key=lambda text: len(self.ids[text])):
            if block and _width(self.ids[text]) * (len(block) + 1) > self.block_tokens:
                yield block, self._padded(block)
                block = []
            block.append(text)
        if block:
            yield block, self._padded(block)

    def _padded(self, block: Sequence[int]) -> Block:
        """Token ids and mask, both (block, width)."""
        width = _width(self.ids[block[-1]])  # the longest is the last
        ids = np.full((len(block), width), self.padding, dtype=np.int64)
        mask = np.zeros((len(block), width), dtype=np.int64)
        for row, text in enumerate(block):
            ids[row, : len(self.ids[text])] = self.ids[text]
            mask[row, : len(self.ids[text])] = 1
        return {"input_ids": torch.from_numpy(ids), "attention_mask": torch.from_numpy(mask)}


def _width(ids: TokenIds) -> int:
    return -(-len(ids) // MULTIPLE) * MULTIPLE


def embed(model: SentenceTransformer, tokens: Tokens, bf16: bool) -> Tensor:
    """The unit-length embeddings of all texts, (texts, dimension), in float32 on the CPU, without gradients."""
    return torch.nn.functional.normalize(embed_with(model, model, tokens, bf16), dim=-1)


def embed_with(modules: nn.Module, model: SentenceTransformer, tokens: Tokens, bf16: bool) -> Tensor:
    """The output of `modules`, the first modules of the model or all of them, for all texts, (texts, dimension)."""
    training = model.training
    model.eval()
    embedded: list[tuple[list[int], Tensor]] = []
    device = model.device
    with torch.no_grad(), torch.autocast(device.type, torch.bfloat16, enabled=bf16):
        for block, features in tokens.blocks(range(len(tokens))):
            vectors = modules({name: value.to(device) for name, value in features.items()})["sentence_embedding"]
            embedded.append((block, vectors.float().cpu()))
    model.train(training)
    order = torch.tensor([text for block, _ in embedded for text in block])
    return (
        torch.cat([vectors for _, vectors in embedded])[order.argsort()]
        if embedded
        else torch.empty(0, _width_of(model))
    )


def _width_of(model: SentenceTransformer) -> int:
    return int(model.get_embedding_dimension() or 0)
