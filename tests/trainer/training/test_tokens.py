from pathlib import Path

import numpy as np
import pytest
from sentence_transformers import SentenceTransformer

from tests.trainer.conftest import faq
from trainer.training import model
from trainer.training.tokens import Tokens, embed


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
