"""Texts as token ids: read once before the training, put together without waste in every batch.

A batch's texts, each once, are sorted by length and cut into blocks of about as many tokens, padded each by itself.
A batch is then padded hardly at all, whichever pairs stand in it, and a block is what GradCache embeds at a time.
"""

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from sentence_transformers import SentenceTransformer
from torch import Tensor

from trainer.data import Pair
from trainer.training.losses import ANCHOR, NEGATIVE, POSITIVE

READ_TOGETHER = 1024  # texts that are tokenised in one call
BLOCK_TOKENS = {"cpu": 3072, "cuda": 131_072}  # of a block, padding included; a processor's caches, a GPU's cores
MULTIPLE = 8  # widths of blocks: kernels are made for each width anew, and like round ones

TokenIds = NDArray[np.int64]
Block = dict[str, Tensor]


class Tokens:
    """The token ids of texts, (length,) each, in the order that these were given in."""

    def __init__(self, model: SentenceTransformer, texts: Sequence[str]) -> None:
        self.padding = int(model.tokenizer.pad_token_id or 0)
        self.block_tokens = BLOCK_TOKENS["cuda" if model.device.type == "cuda" else "cpu"]
        self.ids: list[TokenIds] = []
        for start in range(0, len(texts), READ_TOGETHER):
            read = model.preprocess(list(texts[start : start + READ_TOGETHER]))
            rows = zip(read["input_ids"].cpu().numpy(), read["attention_mask"].cpu().numpy(), strict=True)
            self.ids += [row[mask.astype(bool)].astype(np.int64) for row, mask in rows]

    def __len__(self) -> int:
        return len(self.ids)

    def blocks(self, chosen: Sequence[int]) -> Iterator[tuple[list[int], Block]]:
        """The chosen texts, shortest first, in padded blocks; with each block, which they are."""
        block: list[int] = []
        for text in sorted(chosen, key=lambda one: len(self.ids[one])):
            if block and _width(self.ids[text]) * (len(block) + 1) > self.block_tokens:
                yield block, self._padded(block)
                block = []
            block.append(text)
        if block:
            yield block, self._padded(block)

    def _padded(self, block: Sequence[int]) -> Block:
        """Token ids and mask, both (block, width)."""
        width = _width(self.ids[block[-1]])  # the longest stands last
        ids = np.full((len(block), width), self.padding, dtype=np.int64)
        mask = np.zeros((len(block), width), dtype=np.int64)
        for row, text in enumerate(block):
            ids[row, : len(self.ids[text])] = self.ids[text]
            mask[row, : len(self.ids[text])] = 1
        return {"input_ids": torch.from_numpy(ids), "attention_mask": torch.from_numpy(mask)}


def _width(ids: TokenIds) -> int:
    return -(-len(ids) // MULTIPLE) * MULTIPLE


def embed(model: SentenceTransformer, tokens: Tokens, bf16: bool) -> Tensor:
    """The unit-length embeddings of all texts, (texts, dimension), in float32 on the processor; no gradients."""
    training = model.training
    model.eval()
    found = torch.empty(len(tokens), int(model.get_embedding_dimension() or 0))
    device = model.device
    with torch.no_grad(), torch.autocast(device.type, torch.bfloat16, enabled=bf16):
        for block, features in tokens.blocks(range(len(tokens))):
            vectors = model({name: value.to(device) for name, value in features.items()})["sentence_embedding"]
            found[block] = torch.nn.functional.normalize(vectors.float(), dim=-1).cpu()
    model.train(training)
    return found


class Collator:
    """From row numbers to what `EntryRankingLoss` takes; it pads and nothing else.

    `negatives` holds for each pair the mined texts, as positions in `texts`; they are given to the loss once, however
    many pairs of the batch they were mined for, and not at all where they are the positive of a pair of the batch.
    """

    valid_label_columns = ("label",)

    def __init__(
        self,
        model: SentenceTransformer,
        pairs: Sequence[Pair],
        negatives: Sequence[Sequence[int]] = (),
        candidates: Sequence[tuple[str, int]] = (),
    ) -> None:
        self.places: dict[str, int] = {}
        for text in (text for pair in pairs for text in pair[:2]):
            self.places.setdefault(text, len(self.places))
        self.pairs = [(self.places[pair.anchor], self.places[pair.positive], pair.group) for pair in pairs]
        self.candidates = [(self.places.setdefault(text, len(self.places)), group) for text, group in candidates]
        self.negatives = negatives
        self.tokens = Tokens(model, list(self.places))

    def lengths(self) -> list[int]:
        """The tokens of each pair."""
        return [len(self.tokens.ids[anchor]) + len(self.tokens.ids[positive]) for anchor, positive, _ in self.pairs]

    def __call__(self, rows: Sequence[Mapping[str, int]]) -> Block:
        """Blocks of padded texts, as `<block>_input_ids` and `<block>_attention_mask`, and the labels, (n, 3)."""
        chosen = [row["row"] for row in rows]
        pairs = [self.pairs[row] for row in chosen]
        labels = [(anchor, ANCHOR, group) for anchor, _, group in pairs]
        labels += [(positive, POSITIVE, group) for _, positive, group in pairs]
        mined = dict.fromkeys(one for row in chosen for one in self.negatives[row]) if self.negatives else {}
        present = {positive for _, positive, _ in pairs}
        negatives = [self.candidates[one] for one in mined]
        labels += [(text, NEGATIVE, group) for text, group in negatives if text not in present]
        return self._batch(labels)

    def _batch(self, labels: Sequence[tuple[int, int, int]]) -> Block:
        batch: Block = {}
        at: dict[int, int] = {}
        for number, (block, features) in enumerate(self.tokens.blocks(list(dict.fromkeys(one[0] for one in labels)))):
            batch |= {f"{number:03}_{name}": value for name, value in features.items()}
            at |= {text: len(at) + i for i, text in enumerate(block)}
        batch["label"] = torch.tensor([(at[text], kind, group) for text, kind, group in labels])
        return batch
