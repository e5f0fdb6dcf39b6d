"""Fixtures of the trainer's tests: a tiny random encoder, its bundle, and generated FAQs."""

import json
import shutil
from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from functools import cache
from pathlib import Path

import pytest
import torch
from sentence_transformers import SentenceTransformer
from sentence_transformers.sentence_transformer.modules import Pooling, Transformer
from transformers import AutoTokenizer, BertConfig, BertModel

from app.encoding.bundle import Bundle
from app.graphs.packaged import packaged
from app.knowledge.entry import Entry
from tests import bundles
from trainer.export import export
from trainer.reports import results, tables
from trainer.training import model

SUBJECTS = ("parcel", "refund", "voucher", "tent", "boots", "invoice", "newsletter", "repair", "points", "password")
VERBS = ("cancel", "track", "return", "order", "change", "print")


def faq(count: int, phrasings: int) -> list[Entry]:
    """`count` entries of `phrasings` phrasings each; all texts differ."""
    names = [(verb, subject, i) for i in range(10) for verb in VERBS for subject in SUBJECTS][:count]
    forms = ("How do I {} my {} {}?", "Can I {} a {} {}?", "I want to {} the {} {}", "{} {} {} please")
    return [
        Entry(
            id=f"{verb}-{subject}-{i}",
            question=forms[0].format(verb, subject, i) if phrasings else "",
            alternatives=tuple(form.format(verb, subject, i) for form in forms[1:phrasings]),
            answer=f"To {verb} your {subject}, open page {i} of the account and press the {subject} button.",
        )
        for verb, subject, i in names
    ]


def write_faq(path: Path, entries: list[Entry]) -> Path:
    """Write entries to a FAQ file."""
    rows = [entry.model_dump(include={"id", "question", "alternatives", "answer"}) for entry in entries]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


@pytest.fixture(scope="session")
def tiny_base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with a sentence encoder of two small random layers."""
    directory = tmp_path_factory.mktemp("tiny")
    torch.manual_seed(0)
    config = BertConfig(hidden_size=32, num_hidden_layers=2, num_attention_heads=2, intermediate_size=64)
    BertModel(config).save_pretrained(directory / "bert")
    AutoTokenizer.from_pretrained(packaged()).save_pretrained(directory / "bert")
    transformer = Transformer(str(directory / "bert"), max_seq_length=64)
    SentenceTransformer(modules=[transformer, Pooling(32, "mean")]).save(str(directory / "st"))
    return directory / "st"


@pytest.fixture(scope="session")
def tiny_bundle(tiny_base: Path, tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    """The tiny encoder as a bundle, in 32-bit floats."""
    directory = tmp_path_factory.mktemp("bundle") / "bundle"
    return export.plain(model.load(str(tiny_base), "cpu"), directory, base_model="tiny", recipe="base")


@pytest.fixture(scope="session", autouse=True)
def base_bundles(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Export a base model once for the reports of all runs; each run still exports its own bundle."""

    @cache
    def exported(base: str) -> Bundle:
        with tables.base_bundle(base) as bundle:
            return Bundle.load(shutil.copytree(bundle.directory, tmp_path_factory.mktemp("base") / "bundle"))

    def base_bundle(base: str) -> AbstractContextManager[Bundle]:
        return nullcontext(exported(base))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(results, "base_bundle", base_bundle)
        yield


@pytest.fixture(scope="session")
def words(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    """A bundle whose encoder finds texts similar that share words."""
    return bundles.make(tmp_path_factory.mktemp("words") / "bundle")


@pytest.fixture
def faq_file(tmp_path: Path) -> Path:
    """A FAQ file of 40 entries with three phrasings each."""
    return write_faq(tmp_path / "faq.jsonl", faq(40, 3))
