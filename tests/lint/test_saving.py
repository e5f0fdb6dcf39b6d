"""Findings about entries that were just saved, beside those of a real index."""

import asyncio
from collections.abc import Sequence
from pathlib import Path

import pytest

from app.arrays import Vectors
from app.encoding.bundle import Bundle
from app.encoding.encoder import Encoder
from app.index.embedded import EmbeddedStore
from app.knowledge.entry import Entry
from app.lint.finding import Finding
from app.lint.saving import Live, compared_findings, own_findings
from app.releases.publishing import batches, record_of
from app.releases.spool import Spool
from app.releases.vector_cache import CachedEncoder
from app.settings import Settings
from tests.conftest import FAQ
from tests.lint.made import NOW


@pytest.fixture(scope="module")
def encoder(bundle: Bundle) -> Encoder:
    return Encoder(bundle, threads=1)


@pytest.fixture(scope="module")
def store(bundle: Bundle, encoder: Encoder, tmp_path_factory: pytest.TempPathFactory) -> tuple[EmbeddedStore, str]:
    """A store with one index of the FAQ."""
    folder: Path = tmp_path_factory.mktemp("saving")
    indexes = EmbeddedStore(folder / "index")
    with Spool(FAQ, folder) as spool, CachedEncoder(encoder, folder / "vectors.db") as cached:
        record = record_of(bundle, spool, Settings(home=folder))
        asyncio.run(indexes.build(record, batches(cached, spool)))
    return indexes, record.name


def compared(store: tuple[EmbeddedStore, str], encoder: Encoder, *entries: Entry) -> dict[str, list[Finding]]:
    async def run() -> dict[str, list[Finding]]:
        async def encode(texts: Sequence[str]) -> Vectors:
            return encoder.encode_queries(texts)

        index = await store[0].open(store[1])
        try:
            return await compared_findings(entries, Live(index, encode, encodes_answers=True))
        finally:
            await index.close()

    return asyncio.run(run())


def kinds(findings: Sequence[Finding]) -> list[tuple[str, list[str]]]:
    return [(finding.kind, [mention.id for mention in finding.entries]) for finding in findings]


def test_a_question_of_another_entry_is_found_with_another_answer_and_with_the_same(
    store: tuple[EmbeddedStore, str], encoder: Encoder
) -> None:
    other = Entry(id="new", question="when will I get my refund", answer="In a week.")
    same = Entry(id="copy", question="when will I get my refund", answer="within five days of the return")
    findings = compared(store, encoder, other, same)
    assert kinds(findings["new"]) == [("different_answers", ["new", "refund"])]
    assert kinds(findings["copy"]) == [
        ("duplicate_questions", ["copy", "refund"]),
        ("duplicate_answers", ["copy", "refund"]),
    ]


def test_an_alternative_that_is_nearer_to_another_entry_is_found(
    store: tuple[EmbeddedStore, str], encoder: Encoder
) -> None:
    entry = Entry(id="new", question="Do you ship wolf pets?", alternatives=("do I reset my password",), answer="x")
    assert kinds(compared(store, encoder, entry)["new"])[0] == ("finds_other", ["new", "password"])


def test_an_entry_is_no_duplicate_of_its_own_earlier_version(
    store: tuple[EmbeddedStore, str], encoder: Encoder
) -> None:
    assert compared(store, encoder, FAQ[0])[FAQ[0].id] == []


def test_a_follow_up_needs_an_entry_that_answers() -> None:
    entry = Entry(id="a", question="Why?", answer="x", follow_ups=("b", "gone"))
    known = {"b": Entry(id="b", question="And?", answer="y")}
    (finding,) = own_findings(entry, NOW, known)
    assert (finding.kind, finding.entries[0].text) == ("dead_follow_up", "gone")
