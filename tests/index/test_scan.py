"""A scan finds what comparing everything finds, whoever asks beside one; and an inverted file finds nearly the same."""

import asyncio
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from app.errors import IndexUnavailable
from app.index import scan
from app.index.candidates import Candidate, Question
from app.index.cells import CELLS
from app.index.embedded import EmbeddedStore
from app.index.packed import Packed
from app.index.postings import POSTINGS, Postings
from app.index.protocol import IndexRecord
from app.index.scan import Scan, Searched
from app.index.vector_file import VectorFile
from app.index.words import IdfStatistics, WordTokenizer, text_of
from tests.hits import lexical_of

pytestmark = pytest.mark.anyio
NAME, DIMENSION, ENTRIES = "faq-0123456789ab-000000000001", 48, 300
WORDS = ("refund", "parcel", "password", "turnip", "invoice", "garden", "window")


@pytest.fixture(scope="module")
def entries() -> list[Candidate]:
    """Of one to three windows, up to three phrasings and up to two negatives, and of some words of seven."""
    random = np.random.default_rng(0)
    made = []
    for i in range(ENTRIES):
        vectors = random.standard_normal((8, DIMENSION)).astype(np.float32)
        vectors *= random.uniform(0.5, 2) / np.linalg.norm(vectors, axis=1, keepdims=True)  # of a model without norms
        answer, rest = np.split(vectors, [1 + i % 3])
        questions, rest = np.split(rest, [i % 4])
        text = " ".join(random.choice(WORDS, 1 + i % 5))
        texts = {"question": "", "phrasings": [], "negatives": [], "answer": text}
        payload = {"id": f"e{i}", **texts, "metadata": {}}
        made.append(Candidate(f"e{i}", payload, answer, questions, rest[: i % 3]))
    return made


def record() -> IndexRecord:
    return IndexRecord(
        name=NAME,
        bundle="0123456789ab",
        knowledge="000000000001",
        entries=ENTRIES,
        dimension=DIMENSION,
        created_at="2026-01-01T00:00:00Z",
        language="english",
        average_length=3.0,
    )


@pytest.fixture
async def directory(tmp_path: Path, entries: list[Candidate]) -> Path:
    await EmbeddedStore(tmp_path).build(record(), [entries[:100], entries[100:]])
    return tmp_path / NAME


@pytest.fixture
def opened(directory: Path) -> Scan:
    vectors = VectorFile(directory, ENTRIES, DIMENSION)
    part = Packed(vectors.bounds, vectors.blocks(100))
    return Scan([Searched(part, Postings.open(directory, ENTRIES))], WordTokenizer("english", 3.0))


def questions(count: int) -> list[Question]:
    random = np.random.default_rng(1)
    vectors = random.standard_normal((count, DIMENSION)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    return [Question(WORDS[i % len(WORDS)] if i % 3 else "?", vector) for i, vector in enumerate(vectors)]


async def test_finds_the_nearest_of_each_side_and_the_best_words(opened: Scan, entries: list[Candidate]) -> None:
    statistics = IdfStatistics(WordTokenizer("english", 3.0), [text_of(one.payload) for one in entries])
    for question, (numbers, lexical) in zip(questions(40), opened.nearest(questions(40), [20] * 40), strict=True):
        for sides in ([one.answer for one in entries], [one.questions for one in entries]):
            nearness = [float((side @ question.vector).max(initial=-np.inf)) for side in sides]
            assert set(np.argsort(nearness)[::-1][:15].tolist()) <= set(numbers.tolist())
        words = {i: statistics.score(question.text, text_of(one.payload)) for i, one in enumerate(entries)}
        assert lexical == pytest.approx([words[number] for number in numbers], rel=1e-4)
        best = sorted((i for i in words if words[i] > 0), key=lambda i: -words[i])
        least = words[best[19]] if best else 0.0
        assert {i for i in best if words[i] > least * 1.001} <= set(numbers.tolist())


async def test_finds_the_same_alone_and_together(opened: Scan) -> None:
    asked = questions(40)
    together = opened.nearest(asked, [5 + i for i in range(40)])
    for i, (numbers, lexical) in enumerate(together):
        ((alone, its_lexical),) = opened.nearest([asked[i]], [5 + i])
        np.testing.assert_array_equal(numbers, alone)
        np.testing.assert_array_equal(lexical, its_lexical)


async def test_many_at_a_time_are_answered_each_with_its_own(directory: Path, opened: Scan) -> None:
    asked = questions(40)
    index = await EmbeddedStore(directory.parent).open(NAME)
    found = await asyncio.gather(*(index.search(one, 10, {}) for one in asked))
    await index.close()
    for (numbers, lexical), hits in zip(opened.nearest(asked, [10] * 40), found, strict=True):
        assert hits.ids() == [f"e{number}" for number in numbers]
        np.testing.assert_array_equal(hits.lexical, lexical)


async def test_an_inverted_file_finds_nearly_the_same(
    directory: Path, entries: list[Candidate], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As for a large index; here it compares all vectors too, in other roundings."""
    monkeypatch.setattr(scan, "LIMIT", 0)
    await EmbeddedStore(tmp_path / "other").build(record(), [entries])
    assert (tmp_path / "other" / NAME / CELLS).exists()
    by_scan = await EmbeddedStore(directory.parent).open(NAME)
    by_cells = await EmbeddedStore(tmp_path / "other").open(NAME)
    for question in questions(20):
        expected = await by_scan.search(question, 20, {})
        found = await by_cells.search(question, 20, {})
        same = lexical_of(found).items() & lexical_of(expected).items()
        assert len(same) >= 0.95 * len(lexical_of(expected))
    await by_scan.close()
    await by_cells.close()


async def test_damaged_words_are_named(directory: Path) -> None:
    damaged = directory / POSTINGS / "weights.npy"
    damaged.write_bytes(damaged.read_bytes()[:-40])
    with pytest.raises(IndexUnavailable, match=r"postings/weights\.npy is not what was built"):
        await EmbeddedStore(directory.parent).open(NAME)
    with pytest.raises(IndexUnavailable, match="its postings"):
        Postings.open(directory, ENTRIES)


async def test_threads_search_at_once_and_get_similarities_that_are_those_of_the_vectors(directory: Path) -> None:
    index = await EmbeddedStore(directory.parent).open(NAME)
    asked = questions(40)
    expected = [await index.search(question, 10, {}) for question in asked]
    with ThreadPoolExecutor(4) as threads:
        found = list(threads.map(lambda question: index.search_now([question], [10])[0], asked))
    await index.close()
    for question, hits, before in zip(asked, found, expected, strict=True):
        assert hits.ids() == before.ids()
        for place, entry in enumerate(hits):
            sides = (entry.answer, entry.questions, entry.negatives)
            best = [float((side @ question.vector).max(initial=-np.inf)) for side in sides]
            assert [column[place] for column in hits.nearness[:3]] == pytest.approx(best, rel=1e-5, abs=1e-6)
            nearest = int((entry.questions @ question.vector).argmax()) if len(entry.questions) else -1
            assert hits.nearness.matched[place] == nearest


async def test_an_index_without_entries_answers_nothing(tmp_path: Path, entries: list[Candidate]) -> None:
    store = EmbeddedStore(tmp_path)
    empty = record().model_copy(update={"entries": 0, "common_identifiers": []})
    await store.build(empty, [])
    (question,) = questions(1)
    index = await store.open(NAME)
    assert len(await index.search(question, 5, {})) == len(await index.sample(5)) == 0
    assert await index.digests() == {}
    await index.close()
    grown = empty.model_copy(update={"name": f"{NAME[:-1]}2", "entries": 1, "base": NAME, "increment": 1})
    await store.extend(grown, NAME, [entries[:1]], [])
    index = await store.open(grown.name)
    assert [entry.id for entry in await index.search(question, 5, {})] == ["e0"]
    await index.close()
