"""The generator of our own: what it begins as, that it copies, that it generates what it computes, and is saved."""

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from transformers import PreTrainedTokenizerBase

from app.errors import InputError
from trainer.generation import model
from trainer.generation.learning import Collator
from trainer.generation.model import QuestionGenerator
from trainer.generation.pairs import Example

EXAMPLES = [
    Example("the tent number 7 lies in the drawer until somebody asks.", "where does the tent number 7 lie?", 0),
    Example("a refund takes five days.", "how long?", 1),
]
Made = tuple[QuestionGenerator, PreTrainedTokenizerBase]


@pytest.fixture(scope="module")
def made(tiny_base: Path) -> Made:
    generator, tokenizer = model.warm_started(str(tiny_base), seed=0)
    return generator.train(False), tokenizer


@pytest.fixture
def batch(made: Made) -> dict[str, Tensor]:
    return Collator(made[1], EXAMPLES)([{"row": 0}, {"row": 1}])


def test_it_begins_as_the_encoder_with_one_table_of_words(made: Made) -> None:
    generator: Any = made[0]
    words = generator.encoder.embeddings.word_embeddings.weight
    assert generator.decoder.bert.embeddings.word_embeddings.weight is words
    assert generator.decoder.cls.predictions.decoder.weight is words
    layers = zip(generator.encoder.encoder.layer, generator.decoder.bert.encoder.layer, strict=True)
    for encoding, decoding in layers:
        for name, value in encoding.attention.state_dict().items():
            assert torch.equal(value, decoding.attention.state_dict()[name])
            assert torch.equal(value, decoding.crossattention.state_dict()[name])


def test_the_words_make_up_one_probability_and_those_of_the_passage_more_of_it(
    made: Made, batch: dict[str, Tensor]
) -> None:
    generator, tokenizer = made
    inputs = {name: value for name, value in batch.items() if name != "labels"}
    with torch.no_grad():
        found = generator(**inputs).logits.exp()  # (batch, target, vocabulary)
    assert torch.allclose(found.sum(dim=-1), torch.ones(found.shape[:2]), atol=1e-4)
    drawer, shop = (tokenizer.convert_tokens_to_ids(word) for word in ("drawer", "shop"))
    assert (found[0, :, drawer] > 50 * found[0, :, shop]).all()
    assert (found[1, :, drawer] < 50 * found[1, :, shop]).all()


def test_the_loss_is_that_of_the_probabilities(made: Made, batch: dict[str, Tensor]) -> None:
    generator, _ = made
    labels = batch.pop("labels")
    with torch.no_grad():
        loss = generator(**batch, labels=labels).loss
        logits = generator(**batch).logits
    expected = torch.nn.functional.nll_loss(logits.transpose(1, 2), labels, ignore_index=model.IGNORED)
    assert torch.isclose(loss, expected, atol=1e-4)


def test_generating_word_by_word_gives_the_likeliest_words_of_one_pass(made: Made, batch: dict[str, Tensor]) -> None:
    generator: Any = made[0]
    passages = {name: batch[name] for name in ("input_ids", "attention_mask")}
    with torch.no_grad():
        found = generator.generate(
            **passages, decoder_source_ids=batch["input_ids"], do_sample=False, max_new_tokens=8, use_cache=True
        )
        words = generator(**passages, decoder_input_ids=found[:, :-1]).logits.argmax(dim=-1)
    assert found.shape[1] > 4
    ended = (found[:, 1:] == generator.config.pad_token_id).cumsum(dim=1) > 0
    assert torch.equal(words[~ended], found[:, 1:][~ended])


def test_a_copy_on_disk_is_the_same(made: Made, batch: dict[str, Tensor], tmp_path: Path) -> None:
    generator, tokenizer = made
    generator.save_pretrained(tmp_path)
    tokenizer.save_pretrained(tmp_path)
    again, _ = model.load(tmp_path)
    with torch.no_grad():
        assert torch.allclose(again(**batch).loss, generator(**batch).loss, atol=1e-5)
    assert again.decoder.cls.predictions.decoder.weight is again.encoder.embeddings.word_embeddings.weight


def test_it_learns_to_copy(tiny_base: Path) -> None:
    """Words that no question of the training has can only come from the passage."""
    generator: Any
    generator, tokenizer = model.warm_started(str(tiny_base), seed=0)
    generator.train(False)  # no dropout
    words = ["tent", "boots", "voucher", "invoice", "letter", "basket", "store", "repair"]
    examples = [Example(f"the {word} is new.", f"is {word}?", i) for i, word in enumerate(words)]
    batch = Collator(tokenizer, examples[2:])([{"row": row} for row in range(6)])
    optimizer = torch.optim.AdamW(generator.parameters(), lr=3e-3)
    for _ in range(60):
        optimizer.zero_grad()
        generator(**batch).loss.backward()
        optimizer.step()
    unseen = Collator(tokenizer, examples[:2])([{"row": 0}, {"row": 1}])
    source = unseen["input_ids"]
    found = generator.generate(
        input_ids=source, attention_mask=unseen["attention_mask"], decoder_source_ids=source, max_new_tokens=6
    )
    begun = [text.split()[:2] for text in tokenizer.batch_decode(found, skip_special_tokens=True)]
    assert begun == [["is", "tent"], ["is", "boots"]]


def test_another_architecture_is_refused(tiny_t5: Path) -> None:
    with pytest.raises(InputError, match=r"begins as a BERT; .* is of the type t5"):
        model.warm_started(str(tiny_t5), seed=0)
