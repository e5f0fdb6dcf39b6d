"""Batches of pairs of similar length and, where possible, of different groups.

Similar lengths need little padding. Pairs of one group in a batch do no harm, because the loss masks them, but they
are lost as negatives. The project has a sampler of its own because sentence-transformers' NoDuplicatesBatchSampler
compares texts, not groups, and ignores lengths. The order depends only on seed and epoch, so a resumed run gets the
same batches.
"""

import random
from collections.abc import Iterator, Sequence

from datasets import Dataset
from sentence_transformers.base.sampler import DefaultBatchSampler
from sentence_transformers.util.distributed import get_world_size
from torch import Generator

WINDOW = 16  # batches that are sorted by length together


class EntryBatchSampler(DefaultBatchSampler):
    """Batches of row numbers of a dataset with the columns `length` and `label` (the entry group).

    Under torchrun every batch is full and all ranks get the same number. The remaining rows are not used in that epoch.
    """

    def __init__(
        self,
        dataset: Dataset,
        batch_size: int,
        drop_last: bool,
        valid_label_columns: list[str] | None = None,
        generator: Generator | None = None,
        seed: int = 0,
    ) -> None:
        super().__init__(dataset, batch_size, drop_last, valid_label_columns, generator, seed)
        self.groups: list[int] = list(dataset["label"])
        self.lengths: list[int] = list(dataset["length"])
        self.ranks = get_world_size()

    def __iter__(self) -> Iterator[list[int]]:
        order = batches(self.groups, self.lengths, self.batch_size, f"{self.seed}/{self.epoch}")
        if self.ranks > 1:
            order = [batch for batch in order if len(batch) == self.batch_size]
        yield from order[: len(self)]

    def __len__(self) -> int:
        if self.ranks == 1:
            return -(-len(self.groups) // self.batch_size)
        return len(self.groups) // self.batch_size // self.ranks * self.ranks


def batches(groups: Sequence[int], lengths: Sequence[int], size: int, seed: str) -> list[list[int]]:
    """All rows, each once, in batches of `size` (one may be smaller), in random order."""
    rng = random.Random(seed)  # noqa: S311  # shuffles; no secret
    rows = list(range(len(groups)))
    rng.shuffle(rows)
    shuffled: list[list[int]] = []
    for start in range(0, len(rows), WINDOW * size):
        window = sorted(rows[start : start + WINDOW * size], key=lengths.__getitem__)
        while window:
            batch = _take(window, groups, size)
            shuffled.append(batch)
            taken = set(batch)
            window = [row for row in window if row not in taken]
    rng.shuffle(shuffled)
    return shuffled


def _take(window: Sequence[int], groups: Sequence[int], size: int) -> list[int]:
    """The first `size` rows of different groups, filled up with the first other rows."""
    first: dict[int, int] = {}
    for row in window:
        first.setdefault(groups[row], row)
        if len(first) == size:
            return list(first.values())
    chosen = set(first.values())
    rest = (row for row in window if row not in chosen)
    return [*chosen, *(row for row, _ in zip(rest, range(size - len(chosen)), strict=False))]
