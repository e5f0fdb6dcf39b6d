from pathlib import Path

import numpy as np
import pytest
import torch
from sentence_transformers import SentenceTransformer

from tests.trainer.conftest import faq
from trainer import model
from trainer.data import Pair
from trainer.training.losses import ANCHOR, NEGATIVE, POSITIVE
from trainer.training.tokens import Collator, Tokens, embed

PAIRS = [Pair("one?", "the first", 1), Pair("and one?", "the first", 1), Pair("two?", "the second", 2)]


@pytest.fixture(scope="module")
def encoder(tiny_base: Path) -> SentenceTransformer:
    return model.load(str(tiny_base), "cpu")


def test_blocks_hold_every_text_once_within_their_budget(encoder: SentenceTransformer) -> None:
    tokens = Tokens(encoder, [entry.answer + " and on" * (i % 9) for i, entry in enumerate(faq(50, 1))])
    tokens.block_tokens = 200
    blocks = list(tokens.blocks(range(50)))
    assert sorted(text for block, _ in blocks for text in block) == list(range(50))
    assert all(features["input_ids"].numel() <= 200 for _, features in blocks)
    for block, features in blocks:
        for row, text in enumerate(block):
            kept = features["attention_mask"][row].bool()
            assert features["input_ids"][row][kept].tolist() == tokens.ids[text].tolist()


def test_embeddings_are_those_of_the_model(encoder: SentenceTransformer) -> None:
    texts = [entry.answer for entry in faq(30, 1)]
    expected = encoder.encode(texts, normalize_embeddings=True, show_progress_bar=False)
    np.testing.assert_allclose(embed(encoder, Tokens(encoder, texts), bf16=False).numpy(), expected, atol=1e-5)


def test_a_batch_names_anchors_positives_and_negatives_and_holds_each_text_once(encoder: SentenceTransformer) -> None:
    candidates = [("the first", 1), ("the second", 2), ("the third", 3)]
    collator = Collator(encoder, PAIRS, [[2, 1], [2], [0]], candidates)
    batch = collator([{"row": 0}, {"row": 1}])
    rows = sum(len(value) for key, value in batch.items() if key.endswith("input_ids"))
    assert rows == 5  # two questions, their answer, two negatives
    labels = batch["label"]
    assert labels[:, 1].tolist() == [ANCHOR, ANCHOR, POSITIVE, POSITIVE, NEGATIVE, NEGATIVE]
    assert labels[:, 2].tolist() == [1, 1, 1, 1, 3, 2]
    assert labels[2, 0] == labels[3, 0]


def test_a_positive_of_the_batch_is_not_a_negative_once_more(encoder: SentenceTransformer) -> None:
    collator = Collator(encoder, PAIRS, [[1], [1], [0]], [("the first", 1), ("the second", 2)])
    labels = collator([{"row": 0}, {"row": 2}])["label"]
    assert not (labels[:, 1] == NEGATIVE).any()
    assert torch.equal(labels[:, 2], torch.tensor([1, 2, 1, 2]))
