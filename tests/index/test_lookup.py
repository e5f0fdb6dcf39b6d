"""The file of keys, and an index of before there was one."""

from pathlib import Path

import numpy as np
import pytest

from app.arrays import Vectors
from app.errors import IndexUnavailable
from app.index import checksums
from app.index.candidates import Question
from app.index.embedded import EmbeddedStore
from app.index.lookup import LOOKUP, Lookup, LookupWriter, keys_of, match_of, question_keys
from tests.index.test_index import ENTRIES, FIRST, record

pytestmark = pytest.mark.anyio
NOWHERE: Vectors = np.zeros(1, dtype=np.float32)


def payload(*phrasings: str, answer: str = "", negatives: tuple[str, ...] = ()) -> dict[str, object]:
    return {"phrasings": list(phrasings), "negatives": list(negatives), "answer": answer}


PAYLOADS = [
    payload("Où est le café ?", "Where is the café?"),
    payload("where is the cafe", answer="See L-2010.", negatives=("Is there tea?",)),
    payload(answer="is there tea"),
    payload("L-2010"),
]


def asked(text: str, *identifiers: str) -> Question:
    return Question(text, NOWHERE, frozenset(identifiers))


@pytest.mark.parametrize(
    ("question", "same", "folded", "excluded", "holding"),
    [
        (asked("OÙ EST LE CAFE\u0301"), {0}, {0}, set(), set()),
        (asked("ou est le cafe"), set(), {0}, set(), set()),
        (asked("Where is the cafe?"), {1}, {0, 1}, set(), set()),
        (asked("is there tea"), set(), set(), {1}, set()),
        (asked("l-2010", "l2010"), {3}, {3}, set(), {1, 3}),
        (asked("\u200b"), set(), set(), set(), set()),
        (asked("nothing of this"), set(), set(), set(), set()),
    ],
)
def test_finds_by_phrasing_negative_and_identifier(
    tmp_path: Path, question: Question, same: set[int], folded: set[int], excluded: set[int], holding: set[int]
) -> None:
    writer = LookupWriter()
    for one in PAYLOADS:
        writer.add(keys_of(one))
    writer.lookup().save(tmp_path)
    matches = Lookup.open(tmp_path).find(question_keys(question))
    assert {i for i, match in matches.items() if match.same} == same
    assert {i for i, match in matches.items() if match.folded} == folded
    assert {i for i, match in matches.items() if match.excluded} == excluded
    assert {i for i, match in matches.items() if match.identifiers} == holding
    for i, one in enumerate(PAYLOADS):
        match = match_of(question_keys(question), keys_of(one))
        assert any(match) is (i in matches)
        assert match == matches.get(i, match)


def test_a_common_identifier_has_no_key() -> None:
    assert keys_of(payload(answer="L-2010"), ["l2010"]) == []


async def test_a_damaged_or_missing_lookup_is_named(tmp_path: Path) -> None:
    store = EmbeddedStore(tmp_path)
    await store.build(record(FIRST), [ENTRIES])
    (tmp_path / FIRST / LOOKUP).write_bytes(b"x")
    with pytest.raises(IndexUnavailable, match=r"lookup\.npy is not what was built"):
        await store.open(FIRST)
    checksums.write(tmp_path / FIRST)
    with pytest.raises(IndexUnavailable, match="damaged: its lookup"):
        await store.open(FIRST)
