"""Questions that every release must get right: its own, identifiers, and texts that are not questions."""

import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from app.answering import Answerer
from app.encoding.bundle import Bundle
from app.knowledge.entry import RESERVED, Entry
from app.releases.catalog import Catalog
from app.releases.publishing import publish
from app.replies import Reply
from tests.conftest import FAQ

pytestmark = pytest.mark.anyio
FAULTS = Path(__file__).parents[1] / "data" / "faults"
MOST_EXACT = 5


def rows(name: str) -> list[dict[str, object]]:
    lines = (FAULTS / f"{name}.jsonl").read_text(encoding="utf-8").splitlines()
    return [json.loads(line) for line in lines]


def entries(name: str) -> list[Entry]:
    return [
        Entry.model_validate({**row, "alternatives": tuple(row.get("alternatives", ()))})  # type: ignore[arg-type]
        for row in ({key: value for key, value in row.items() if key in RESERVED} for row in rows(name))
    ]


def ids(reply: Reply) -> list[str]:
    return [entry.id for entry in reply.answers]


@pytest.fixture
async def codes(catalog: Catalog, bundle: Bundle) -> AsyncIterator[Answerer]:
    answerer = await catalog.open(await publish(catalog, bundle, entries("codes")))
    yield answerer
    await answerer.close()


@pytest.mark.parametrize("name", ["codes", "scripts", "shared_questions"])
async def test_every_question_of_a_faq_finds_its_own_entry(catalog: Catalog, bundle: Bundle, name: str) -> None:
    """First; or among the ambiguous where several entries hold it: all of them, or five of more."""
    known = entries(name)
    answerer = await catalog.open(await publish(catalog, bundle, known))
    for entry in known:
        for phrasing in entry.phrasings:
            holders = {other.id for other in known if phrasing in other.phrasings}
            for asked in (phrasing, f" {phrasing.upper().rstrip('?')}  "):
                (reply,) = await answerer.ask([asked])
                assert reply.status == ("answered" if len(holders) == 1 else "ambiguous"), asked
                exact = ids(reply)[:1] if reply.status == "answered" else ids(reply)
                assert set(exact) <= holders
                assert len(exact) == min(len(holders), MOST_EXACT)
    await answerer.close()


@pytest.mark.parametrize("min_confidence", [None, 0.99, 1.0])
async def test_a_question_of_several_entries_is_ambiguous_whatever_the_confidence(
    catalog: Catalog, bundle: Bundle, min_confidence: float | None
) -> None:
    twins = [
        Entry(id=name, question="What does it cost?", answer=answer)
        for name, answer in (("a", "Ten."), ("b", "Ten."), ("c", "Twenty."), ("d", "Thirty."))
    ]
    answerer = await catalog.open(await publish(catalog, bundle, [*twins, *FAQ]))
    (reply,) = await answerer.ask(["what does it COST"], 1, min_confidence)
    assert reply.status == "ambiguous"
    assert sorted(entry.answer for entry in reply.answers) == ["Ten.", "Thirty.", "Twenty."]
    (ranked,) = await answerer.rank(["what does it COST"], 20, {})
    assert {entry.id for entry in ranked if entry.exact} == {"a", "b", "c", "d"}
    (never_abstains,) = await answerer.ask(["what does it cost"], 2, 0)
    assert (never_abstains.status, len(never_abstains.answers)) == ("answered", 2)
    await answerer.close()


async def test_questions_about_identifiers_find_the_entry_that_holds_them(codes: Answerer) -> None:
    for row in rows("codes_queries"):
        if row["faq_id"] is not None and "ShelfSync" not in str(row["question"]):
            (reply,) = await codes.ask([str(row["question"])], min_confidence=0)
            assert ids(reply)[0] == row["faq_id"], row


@pytest.mark.parametrize(
    ("question", "same_shape"),
    [
        ("L-2012", "L-"),
        ("KX 4102", "KX"),
        ("what does L-2002 mean", "L-"),
        ("0x80071059", "0x"),
        ("9788425157999", "978"),
        ("v2.3.2", "v2"),
    ],
)
async def test_an_identifier_that_no_entry_holds_is_not_answered_with_another(
    codes: Answerer, question: str, same_shape: str
) -> None:
    (reply,) = await codes.ask([question])
    assert reply.status != "answered"
    (ranked,) = await codes.rank([question], 20, {})
    doubted = {entry.id: entry.confidence for entry in ranked if entry.id.startswith(same_shape)}
    assert len(doubted) > 1
    assert max(doubted.values()) < 0.1


@pytest.mark.parametrize("question", ["\u200b", "\u200d\u200d", "\u0301\u0301", "😀", "❤️", "?", "…", "4821377", "٣"])
async def test_what_is_no_question_has_no_answer(codes: Answerer, question: str) -> None:
    (reply,) = await codes.ask([question])
    assert reply.status == "no_answer"
    assert all(entry.confidence == 0 for entry in reply.suggestions)


@pytest.mark.parametrize("name", ["ShelfSync", "ShelfSync Pro", "S3", "EC2", "iPhone 15", "iPhone 16"])
async def test_names_are_told_apart_by_their_words(catalog: Catalog, bundle: Bundle, name: str) -> None:
    names = ["ShelfSync", "ShelfSync Pro", "S3", "EC2", "iPhone 15", "iPhone 16"]
    known = [Entry(id=name, question=f"How do I get {name}?", answer=f"Order {name} by email.") for name in names]
    answerer = await catalog.open(await publish(catalog, bundle, known))
    (reply,) = await answerer.ask([f"how can i order {name}"], min_confidence=0)
    assert ids(reply)[0] == name
    await answerer.close()


async def test_an_entry_that_must_not_answer_is_nowhere_in_the_reply(catalog: Catalog, bundle: Bundle) -> None:
    guarded = Entry(id="gift", question="Who gets the gift?", answer="You.", negatives=("Who gets spam?",))
    guarded_only = await catalog.open(await publish(catalog, bundle, [guarded]))
    for min_confidence in (None, 0):
        (reply,) = await guarded_only.ask(["who gets SPAM"], min_confidence=min_confidence)
        assert reply == Reply("no_answer", (), ())
    (other,) = await guarded_only.ask(["Who gets the gift"])
    assert ids(other) == ["gift"]
    await guarded_only.close()
    among = await catalog.open(await publish(catalog, bundle, [guarded, *FAQ]))
    for min_confidence in (None, 0):
        (reply,) = await among.ask(["who gets SPAM"], 50, min_confidence)
        assert "gift" not in {entry.id for entry in [*reply.answers, *reply.suggestions]}
    await among.close()
