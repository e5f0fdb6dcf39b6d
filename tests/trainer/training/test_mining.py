from pathlib import Path

import pytest
from sentence_transformers import SentenceTransformer

from tests.trainer.conftest import faq
from trainer.data.training_set import Pair, training_set
from trainer.training import mining, model
from trainer.training.mining import Negatives, mine
from trainer.training.tokens import Tokens, embed


@pytest.fixture(scope="module")
def encoder(tiny_base: Path) -> SentenceTransformer:
    return model.load(str(tiny_base), "cpu")


def test_negatives_are_the_most_similar_texts_of_other_entries_within_the_margin(
    encoder: SentenceTransformer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mining, "BLOCK_CELLS", 500)  # several blocks
    pairs = training_set(faq(30, 3)).pairs
    negatives = mine(encoder, pairs, 4, 0.98)
    texts = [text for text, _ in negatives.candidates]
    similarity = (embed(encoder, Tokens(encoder, [pair.anchor for pair in pairs]), False)
                  @ embed(encoder, Tokens(encoder, texts), False).T).tolist()  # fmt: skip
    assert any(negatives.mined)
    for pair, chosen, row in zip(pairs, negatives.mined, similarity, strict=True):
        limit = 0.98 * row[texts.index(pair.positive)]
        allowed = [i for i, (_, group) in enumerate(negatives.candidates) if group != pair.group and row[i] <= limit]
        assert [row[i] for i in chosen] == pytest.approx(sorted((row[i] for i in allowed), reverse=True)[:4], abs=1e-5)
        assert set(chosen) <= set(allowed)


def test_pairs_of_one_group_have_no_negatives(encoder: SentenceTransformer) -> None:
    pairs = [Pair("a?", "an answer", 1), Pair("b?", "an answer", 1)]
    assert mine(encoder, pairs, 3, 0.95).mined == [[], []]


def test_negatives_are_saved_and_loaded(tmp_path: Path) -> None:
    negatives = Negatives([("ärger", 1), ("b", 2)], [[1], []])
    negatives.save(tmp_path / "negatives.json")
    assert Negatives.load(tmp_path / "negatives.json") == negatives
