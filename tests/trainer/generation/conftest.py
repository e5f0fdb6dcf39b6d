"""Passages and questions made up on the spot, and a tiny random T5."""

from pathlib import Path

import pytest
import torch
from transformers import AutoTokenizer, T5Config, T5ForConditionalGeneration

from app.graphs.packaged import packaged

THINGS = ("parcel", "refund", "voucher", "tent", "invoice", "repair")
PLACES = ("account", "warehouse", "store", "letter", "basket", "drawer")


def passages(count: int) -> list[str]:
    """Distinct sentences."""
    return [
        f"The {THINGS[i % 6]} number {i} lies in the {PLACES[i // 6 % 6]} until somebody asks." for i in range(count)
    ]


def pairs(count: int) -> list[tuple[str, str]]:
    """Questions and the sentences that answer them."""
    return [(f"Where does the {text.split()[1]} number {i} lie?", text) for i, text in enumerate(passages(count))]


@pytest.fixture(scope="session")
def tiny_t5(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with a random sequence-to-sequence model and a tokenizer."""
    directory = tmp_path_factory.mktemp("t5")
    tokenizer = AutoTokenizer.from_pretrained(packaged())
    torch.manual_seed(0)
    config = T5Config(
        vocab_size=len(tokenizer),
        d_model=16,
        d_kv=8,
        d_ff=32,
        num_layers=1,
        num_heads=2,
        pad_token_id=tokenizer.pad_token_id,
        eos_token_id=tokenizer.sep_token_id,
    )
    config.update({"decoder_start_token_id": tokenizer.cls_token_id})
    T5ForConditionalGeneration(config).save_pretrained(directory)
    tokenizer.save_pretrained(directory)
    return directory
