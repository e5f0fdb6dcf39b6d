from collections.abc import Sequence
from pathlib import Path

import pytest
import torch
from sentence_transformers import SentenceTransformer

from trainer.data.training_set import Pair
from trainer.training import model
from trainer.training.batches import LabelCollator, PairCollator, PairTexts, TokenTexts
from trainer.training.towers import ANSWER, QUESTION, as_two_towers

PAIRS = [Pair("one?", "the first", 1), Pair("and one?", "the first", 1), Pair("two?", "the second", 2)]


@pytest.fixture(scope="module")
def encoder(tiny_base: Path) -> SentenceTransformer:
    return model.load(str(tiny_base), "cpu")


def collated(encoder: SentenceTransformer, of: PairTexts, negatives: Sequence[Sequence[int]] = ()) -> PairCollator:
    return PairCollator(of, TokenTexts(encoder, of.texts), negatives)


def test_a_batch_names_anchors_positives_and_negatives_and_holds_each_text_once(encoder: SentenceTransformer) -> None:
    candidates = [("the first", 1), ("the second", 2), ("the third", 3)]
    collator = collated(encoder, PairTexts(PAIRS, candidates), [[2, 1], [2], [0]])
    batch = collator([{"row": 0}, {"row": 1}])
    rows = sum(len(value) for key, value in batch.items() if key.endswith("input_ids"))
    assert rows == 5  # two questions, their answer, two negatives
    labels = batch["label"]
    assert len(labels.anchors) == len(labels.positives) == len(labels.negatives) == 2
    assert labels.groups.tolist() == [1, 1]
    assert labels.negative_groups.tolist() == [3, 2]
    assert labels.positives[0] == labels.positives[1]
    assert {labels.weights.dtype, labels.anchors.dtype} == {torch.float32, torch.int64}


def test_a_positive_of_the_batch_is_not_a_mined_negative_too(encoder: SentenceTransformer) -> None:
    collator = collated(encoder, PairTexts(PAIRS, [("the first", 1), ("the second", 2)]), [[1], [1], [0]])
    labels = collator([{"row": 0}, {"row": 2}])["label"]
    assert not len(labels.negatives)
    assert labels.groups.tolist() == [1, 2]


def test_a_known_negative_names_the_row_that_it_counts_against(encoder: SentenceTransformer) -> None:
    of = PairTexts(PAIRS, known_negatives=[("one?", "the second"), ("a question", "the second")])
    labels = collated(encoder, of)([{"row": 2}, {"row": 0}])["label"]
    assert labels.anchor_rows.tolist() == [1]  # one?, in the second row
    assert labels.anchor_negatives.tolist() == labels.positives[:1].tolist()
    assert labels.positive_rows.tolist() == [0, 0]  # the answer of two?, in the first


def test_towers_read_their_own_texts_and_an_echo_is_read_as_an_answer(encoder: SentenceTransformer) -> None:
    two = as_two_towers(encoder)
    pairs = [*PAIRS, Pair("one?", "and one?", 1, answered=False)]
    of = PairTexts(pairs, towers=True, echo=True)
    collator = collated(two, of)
    batch = collator([{"row": 0}, {"row": 3}])
    assert ("one?", QUESTION) in of.texts
    assert ("one?", ANSWER) in of.texts
    assert ("and one?", QUESTION) in of.texts
    read = {key: value for key, value in batch.items() if key.endswith("task")}
    assert sorted(read.values()) == [ANSWER, QUESTION]
    sizes = {batch[key]: len(batch[key.replace("task", "input_ids")]) for key in read}
    assert sizes == {QUESTION: 2, ANSWER: 2}  # both phrasings; the answer and the echo
    assert batch["label"].anchor_rows.tolist() == [0]  # the row with the answer


def test_labels_are_in_the_order_of_the_blocks(encoder: SentenceTransformer) -> None:
    texts = TokenTexts(encoder, [("a much longer text than the others are", QUESTION), ("short", QUESTION)])
    batch = LabelCollator(texts)([{"row": 0, "label": 7}, {"row": 1, "label": 9}])
    lengths = batch["000_attention_mask"].sum(dim=1)
    assert batch["label"][lengths.argmax()] == 7
    assert batch["label"][lengths.argmin()] == 9
