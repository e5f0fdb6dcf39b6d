"""One contract, held by the embedded index, the client's local mode, and the server that QDRANT_URL names.

The local mode is also asked by gRPC, through `tests.faults.qdrant_grpc`: that shows that what is asked and read is the
same, not that a real server fills messages in the same way. Neither proves anything about green collections,
quantisation or recall.
"""

import os
import secrets
import shutil
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
from qdrant_client import AsyncQdrantClient

from app.arrays import Vectors
from app.errors import IndexUnavailable, InputError, NotFound, SettingsError
from app.index.candidates import Candidate, Question
from app.index.embedded import EmbeddedStore
from app.index.filters import AnyOf, Range, fields_of
from app.index.nodes import GRPC_PORT, Nodes
from app.index.postings import POSTINGS
from app.index.protocol import IndexRecord, IndexStore
from app.index.records import RECORD
from app.index.server import ServerStore
from app.index.words import IdfStatistics, WordTokenizer, text_of
from app.ranking.calibration import Calibrated, Calibration, calibrated_of
from tests.faults.qdrant_grpc import grpc_node
from tests.hits import hits_of, lexical_of, matches_of
from tests.index.in_increments import InIncrements

pytestmark = pytest.mark.anyio
FIRST, SECOND = "faq-0123456789ab-aaaaaaaaaaaa", "faq-0123456789ab-bbbbbbbbbbbb"
AVERAGE_LENGTH = 5.0
AXES: Vectors = np.eye(8, dtype=np.float32)
WORDS = ["refunds", "parcels", "passwords", "turnips"]
METADATA = [
    {"topic": "money", "year": 2020, "open": True},
    {"topic": "Post & more", "year": 2021.5, "tags": ["a", "b"]},
    {"topic": "money", "a.b c": "odd", 'size 5"': "x", "open": False},
    {},
]


def entry(i: int) -> Candidate:
    """Entry i answers along axis i; the even ones also have two phrasings, along axes i and i + 4."""
    questions = AXES[[i, i + 4]] if i % 2 == 0 else AXES[:0]
    payload = {
        "id": f"e{i}",
        "question": "",
        "phrasings": [f"{WORDS[i]} {n}" for n in range(len(questions))],
        "negatives": ["something else"][: i % 2],
        "answer": f"answer {WORDS[i]}",
        "metadata": METADATA[i],
    }
    return Candidate(f"e{i}", payload, AXES[[i]], questions, AXES[[7]][: i % 2])


ENTRIES = [entry(i) for i in range(4)]


def asking(vector: Vectors, text: str = "zzz") -> Question:
    return Question(text, vector)


def record(name: str, entries: int = 4, created_at: str = "2026-01-01T00:00:00Z") -> IndexRecord:
    return IndexRecord(
        name=name,
        bundle="0123456789ab",
        knowledge=name[-12:],
        entries=entries,
        dimension=8,
        created_at=created_at,
        fields=fields_of(one.payload for one in ENTRIES),
        language="english",
        average_length=AVERAGE_LENGTH,
        common_identifiers=[],
    )


@asynccontextmanager
async def made_store(kind: str, directory: Path) -> AsyncIterator[IndexStore]:
    """A store without releases, which is emptied afterwards."""
    url = os.environ.get("QDRANT_URLS") or os.environ.get("QDRANT_URL")
    if kind.startswith("server") and not url:
        pytest.skip("QDRANT_URL is not set")
    async with AsyncExitStack() as stack:
        made: IndexStore
        if kind == "embedded":
            made = EmbeddedStore(directory)
        elif kind == "memory":
            made = ServerStore(AsyncQdrantClient(":memory:"))
        elif kind == "grpc":
            made = ServerStore(Nodes([(await stack.enter_async_context(grpc_node())).node]))
        else:
            port = int(os.environ.get("QDRANT_GRPC_PORT", str(GRPC_PORT))) if kind == "server by gRPC" else 0
            made = ServerStore.connect(str(url), namespace=f"test-{secrets.token_hex(4)}", grpc_port=port)
        yield made
        for name in reversed(await made.names()):
            await made.drop(name)
        await made.sweep()
        await made.close()


SERVERS = [pytest.param(kind, marks=pytest.mark.server("contract")) for kind in ("server", "server by gRPC")]


@pytest.fixture(params=["embedded", "memory", "grpc", *SERVERS])
async def store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[IndexStore]:
    async with made_store(request.param, tmp_path / "index") as made:
        yield made


@pytest.fixture(params=["built", "in increments"])
async def indexes(request: pytest.FixtureRequest, store: IndexStore) -> AsyncIterator[IndexStore]:
    """What a search finds does not depend on how the index was made."""
    if request.param == "built":
        yield store
        return
    yield cast(IndexStore, InIncrements(store))


async def test_finds_by_answer_and_by_phrasing(indexes: IndexStore) -> None:
    await indexes.build(record(FIRST), [ENTRIES[:3], ENTRIES[3:]])
    index = await indexes.open(FIRST)
    by_answer = await index.search(asking(AXES[3]), 1, {})
    by_phrasing = await index.search(asking(AXES[6]), 1, {})
    assert "e3" in [one.id for one in by_answer]
    assert "e2" in [one.id for one in by_phrasing]
    await index.close()


async def test_returns_entries_whole(indexes: IndexStore) -> None:
    await indexes.build(record(FIRST), [ENTRIES])
    index = await indexes.open(FIRST)
    found = {one.id: one for one in await index.search(asking(AXES[0]), 4, {})}
    assert set(found) == {"e0", "e1", "e2", "e3"}
    for expected in ENTRIES:
        got = found[expected.id]
        assert got.payload == expected.payload
        np.testing.assert_array_equal(got.answer, expected.answer)
        np.testing.assert_array_equal(got.questions, expected.questions)
        np.testing.assert_array_equal(got.negatives, expected.negatives)
    await index.close()


async def test_says_of_each_entry_what_its_vectors_texts_and_keys_say(indexes: IndexStore) -> None:
    """The columns of a search are those of the entries that it returns, wherever these are read."""
    await indexes.build(record(FIRST), [ENTRIES])
    index = await indexes.open(FIRST)
    for text in ("refunds 0", "something else", "where are my turnips"):
        question = asking(AXES[2] + 0.5 * AXES[4] + 0.25 * AXES[7], text)
        hits = await index.search(question, 4, {})
        expected = hits_of(question, list(hits))
        for column, of_entries in zip(hits.nearness, expected.nearness, strict=True):
            np.testing.assert_allclose(column, of_entries, rtol=1e-3)
        np.testing.assert_array_equal(hits.answers, expected.answers)
        assert hits.matches == expected.matches
        assert hits.payloads() == expected.payloads()
        kept, _ = hits.source.kept(hits.numbers.tolist())
        assert kept.payloads(hits.numbers.tolist()) == expected.payloads()
    await index.close()


async def test_finds_by_words_and_scores_every_candidate_by_them(indexes: IndexStore) -> None:
    """An entry that only its words find; and BM25 as `Lexicon` computes it from texts, for all that was found."""
    await indexes.build(record(FIRST), [ENTRIES])
    index = await indexes.open(FIRST)
    question = asking(AXES[0], "Where is my turnip? And refund 0?")
    hits = await index.search(question, 2, {})
    lexical = lexical_of(hits)
    assert set(lexical) >= {"e0", "e3"}
    tokenizer = WordTokenizer("english", AVERAGE_LENGTH)
    statistics = IdfStatistics(tokenizer, [text_of(one.payload) for one in ENTRIES])
    for one in hits:
        assert lexical[one.id] == pytest.approx(statistics.score(question.text, text_of(one.payload)), rel=1e-4)
    assert lexical["e3"] > 0
    await index.close()


def among_others(first: dict[str, Any], second: dict[str, Any]) -> list[Candidate]:
    """Two entries that no vector finds, after sixty that every search finds before them."""
    near = {"question": "", "phrasings": [], "negatives": [], "answer": "turnip", "metadata": {"topic": "money"}}
    far = {**near, "answer": "nothing", "metadata": {"topic": "far"}}
    entries = [Candidate(f"n{i}", {**near, "id": f"n{i}"}, AXES[[0]], AXES[:0], AXES[:0]) for i in range(60)]
    for name, fields in (("first", first), ("second", second)):
        payload = {**far, **fields, "id": name}
        entries.append(Candidate(name, payload, -AXES[[0]], -AXES[[0]][: len(payload["phrasings"])], AXES[:0]))
    return entries


@pytest.mark.parametrize(
    "text", ["wo ist das café?", " WO IST   das Cafe\u0301", "„Wo ist das Café“", "wo ist das cafe"]
)
async def test_looks_up_every_entry_whose_phrasing_is_the_question(indexes: IndexStore, text: str) -> None:
    """However far away the vectors and whatever the words; with accents first, without them where these find none."""
    entries = among_others({"phrasings": ["Wo ist das Café?"]}, {"phrasings": ["wo ist das café"]})
    await indexes.build(record(FIRST, len(entries)), [entries])
    index = await indexes.open(FIRST)
    found = await index.search(asking(AXES[0], text), 5, {})
    looked_up = {name: match for name, match in matches_of(found).items() if match.same or match.folded}
    assert set(looked_up) == {"first", "second"}
    assert {match.same for match in looked_up.values()} == {"é" in text or "e\u0301" in text}
    assert all("keys" not in one.payload for one in found)
    await index.close()


async def test_the_lookup_honours_filters(indexes: IndexStore) -> None:
    entries = among_others({"phrasings": ["where is it"], "metadata": {"topic": "a"}}, {"phrasings": ["Where is it?"]})
    await indexes.build(record(FIRST, len(entries)), [entries])
    index = await indexes.open(FIRST)
    question = asking(AXES[0], "where is it")
    for topic, expected in (("a", {"first"}), ("far", {"second"}), ("money", set())):
        found = await index.search(question, 5, {"topic": AnyOf((topic,))})
        assert {name for name, match in matches_of(found).items() if match.same} == expected
        assert {one.payload["metadata"]["topic"] for one in found} == {topic}
    await index.close()


async def test_the_lookup_is_bounded_by_the_limit(indexes: IndexStore) -> None:
    entries = [
        Candidate(one.id, {**one.payload, "phrasings": ["what is it"]}, one.answer, one.answer, one.negatives)
        for one in among_others({}, {})
    ]
    await indexes.build(record(FIRST, len(entries)), [entries])
    index = await indexes.open(FIRST)
    found = await index.search(asking(AXES[1], "What is it?"), 5, {})
    assert 5 <= len(found) <= 15
    await index.close()


async def test_looks_up_every_entry_that_holds_an_identifier_of_the_question(indexes: IndexStore) -> None:
    """In a phrasing or in the answer; but not one that the record calls common."""
    entries = among_others({"phrasings": ["message L-2010"]}, {"answer": "See l2010 and KX4101."})
    kept = record(FIRST, len(entries)).model_copy(update={"common_identifiers": ["kx4101"]})
    await indexes.build(kept, [entries])
    index = await indexes.open(FIRST)
    question = index.record.question("zzz L 2010 zzz", AXES[0])
    found = {name: match.identifiers for name, match in matches_of(await index.search(question, 5, {})).items()}
    assert found == {"first": {"l2010"}, "second": {"l2010"}}
    common = index.record.question("zzz KX4101", AXES[0])
    assert not (await index.search(common, 5, {})).matches
    await index.close()


async def test_says_which_entries_a_negative_excludes(indexes: IndexStore) -> None:
    await indexes.build(record(FIRST), [ENTRIES])
    index = await indexes.open(FIRST)
    found = await index.search(asking(AXES[0], "Something ELSE?"), 4, {})
    assert {name for name, match in matches_of(found).items() if match.excluded} == {"e1", "e3"}
    await index.close()


async def test_a_question_without_words_is_found_by_meaning_alone(indexes: IndexStore) -> None:
    await indexes.build(record(FIRST), [ENTRIES])
    index = await indexes.open(FIRST)
    assert lexical_of(await index.search(asking(AXES[1], "???"), 1, {}))["e1"] == 0
    await index.close()


async def test_says_whether_it_holds_an_entry(indexes: IndexStore) -> None:
    await indexes.build(record(FIRST), [ENTRIES])
    index = await indexes.open(FIRST)
    assert [await index.holds(entry_id) for entry_id in ("e0", "e3", "e", "nobody")] == [True, True, False, False]
    await index.close()


async def test_a_release_keeps_its_calibration(store: IndexStore) -> None:
    await store.build(record(FIRST), [ENTRIES])
    index = await store.open(FIRST)
    assert index.calibration is None
    await index.close()
    calibration = Calibration(bias=-1, score_weight=2, margin_weight=3, knots=((0.1, 0.2),), threshold=0.6)
    kept = Calibrated(calibration=calibration, figures={"precision@1": 0.8})
    await store.calibrate(FIRST, kept.model_dump(mode="json"))
    index = await store.open(FIRST)
    assert calibrated_of(index.calibration, FIRST) == kept
    assert index.record == record(FIRST)
    await index.close()
    with pytest.raises(NotFound):
        await store.calibrate(SECOND, kept.model_dump(mode="json"))


@pytest.mark.parametrize(
    ("where", "expected"),
    [
        ({"topic": AnyOf(("money",))}, {"e0", "e2"}),
        ({"topic": AnyOf(("Post & more", "nothing"))}, {"e1"}),
        ({"tags": AnyOf(("b",))}, {"e1"}),
        ({"a.b c": AnyOf(("odd",))}, {"e2"}),
        ({"year": AnyOf((2021.5,))}, {"e1"}),
        ({"year": AnyOf((2020, 2021.5))}, {"e0", "e1"}),
        ({"year": Range(gte=2020, lte=2021)}, {"e0"}),
        ({"year": Range(gte=2020.5)}, {"e1"}),
        ({"open": AnyOf((False,))}, {"e2"}),
        ({"topic": AnyOf(("money",)), "open": AnyOf((True,))}, {"e0"}),
    ],
)
async def test_filters(indexes: IndexStore, where: dict[str, AnyOf | Range], expected: set[str]) -> None:
    await indexes.build(record(FIRST), [ENTRIES])
    index = await indexes.open(FIRST)
    assert {one.id for one in await index.search(asking(AXES[0]), 4, where)} == expected
    await index.close()


@pytest.mark.parametrize(
    ("where", "message"),
    [
        ({"colour": AnyOf(("red",))}, r"No entry has the field `colour`.*a\.b c, open, tags, topic, year"),
        ({'size 5"': AnyOf(("x",))}, 'No entry has the field `size 5"`'),
        ({"topic": Range(gte=1)}, "`topic` holds text, not number"),
        ({"year": AnyOf(("2020",))}, "`year` holds number, not text"),
    ],
)
async def test_refuses_filters_that_cannot_match(
    store: IndexStore, where: dict[str, AnyOf | Range], message: str
) -> None:
    await store.build(record(FIRST), [ENTRIES])
    index = await store.open(FIRST)
    with pytest.raises(InputError, match=message) as caught:
        await index.search(asking(AXES[0]), 4, where)
    assert caught.value.field == f"filters.{next(iter(where))}"
    await index.close()


async def test_counts_and_samples(store: IndexStore) -> None:
    await store.build(record(FIRST), [ENTRIES])
    index = await store.open(FIRST)
    assert await index.count() == 4
    assert [one.id for one in await index.sample(2)] == ["e0", "e3"]
    assert len(await index.sample(50)) == 4
    assert index.record == record(FIRST)
    await index.close()


async def test_rebuilding_replaces(store: IndexStore) -> None:
    await store.build(record(FIRST), [ENTRIES])
    await store.drop(FIRST)
    await store.build(record(FIRST, entries=1), [ENTRIES[:1]])
    index = await store.open(FIRST)
    assert await index.count() == 1
    await index.close()


async def test_records_oldest_first_and_drop(store: IndexStore) -> None:
    await store.build(record(SECOND, created_at="2026-01-02T00:00:00Z"), [ENTRIES])
    await store.build(record(FIRST), [ENTRIES])
    assert [one.name for one in await store.records()] == [FIRST, SECOND]
    await store.drop(FIRST)
    await store.drop(FIRST)
    assert [one.name for one in await store.records()] == [SECOND]
    with pytest.raises(NotFound, match=FIRST):
        await store.open(FIRST)


async def test_activates_and_remembers_the_one_before(store: IndexStore) -> None:
    for name in (FIRST, SECOND):
        await store.build(record(name), [ENTRIES])
    assert await store.pointer() == (None, None)
    await store.activate(FIRST)
    assert await store.pointer() == (FIRST, None)
    await store.activate(SECOND)
    await store.activate(SECOND)
    assert await store.pointer() == (SECOND, FIRST)
    with pytest.raises(NotFound):
        await store.activate("faq-0123456789ab-cccccccccccc")
    assert await store.pointer() == (SECOND, FIRST)


async def test_an_interrupted_build_never_shows(store: IndexStore) -> None:
    def broken() -> object:
        yield ENTRIES[:2]
        raise KeyError("power cut")

    with pytest.raises(KeyError):
        await store.build(record(FIRST), broken())  # type: ignore[arg-type]
    assert await store.records() == []
    with pytest.raises(NotFound):
        await store.activate(FIRST)
    await store.sweep()
    await store.build(record(FIRST), [ENTRIES])
    assert [one.name for one in await store.records()] == [FIRST]


async def test_a_passage_only_index(indexes: IndexStore) -> None:
    await indexes.build(record(FIRST, entries=2), [[ENTRIES[1], ENTRIES[3]]])
    index = await indexes.open(FIRST)
    found = await index.search(asking(AXES[1]), 2, {})
    assert {one.id for one in found} == {"e1", "e3"}
    await index.close()


async def test_sweeping_leaves_nothing_behind(tmp_path: Path) -> None:
    store = EmbeddedStore(tmp_path)
    (tmp_path / ".building-faq-x" / "postings").mkdir(parents=True)
    await store.build(record(FIRST), [ENTRIES])
    await store.sweep()
    assert [path.name for path in tmp_path.iterdir()] == [FIRST]


async def test_damage_is_named(tmp_path: Path) -> None:
    store = EmbeddedStore(tmp_path)
    await store.build(record(FIRST), [ENTRIES])
    shutil.rmtree(tmp_path / FIRST / POSTINGS)
    with pytest.raises(IndexUnavailable, match=FIRST):
        await store.open(FIRST)
    (tmp_path / FIRST / RECORD).write_text("{")
    with pytest.raises(IndexUnavailable, match="record cannot be read"):
        await store.open(FIRST)
    assert await store.records() == []


async def test_a_damaged_pointer_is_named_and_mended(tmp_path: Path) -> None:
    store = EmbeddedStore(tmp_path)
    await store.build(record(FIRST), [ENTRIES])
    (tmp_path / "active.json").write_text("[]")
    with pytest.raises(IndexUnavailable, match=r"active\.json is damaged"):
        await store.pointer()
    await store.activate(FIRST)
    assert await store.pointer() == (FIRST, None)


async def test_an_unreachable_server_is_unavailable() -> None:
    store = ServerStore.connect("http://127.0.0.1:9")
    with pytest.raises(IndexUnavailable):
        await store.records()
    await store.close()


def test_a_value_that_is_no_url_is_refused_by_name() -> None:
    with pytest.raises(SettingsError, match="FAQ_QDRANT_URL=:memory: is not the URL of a server"):
        ServerStore.connect(":memory:")


async def test_a_sweep_deletes_a_pointer_that_a_killed_process_did_not_finish(tmp_path: Path) -> None:
    store = EmbeddedStore(tmp_path)
    (tmp_path / ".active.json.123").write_text("{")
    await store.sweep()
    assert not list(tmp_path.iterdir())
