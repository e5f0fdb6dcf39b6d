"""knowledge + bundle -> verified index -> active, and what is kept."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from app.encoding.bundle import Bundle
from app.encoding.encoder import Encoder
from app.errors import BundleError, NotFound, NotReady
from app.index.candidates import Question
from app.index.protocol import IndexRecord
from app.knowledge.entry import Entry, knowledge_revision
from app.releases.catalog import Catalog
from app.releases.keeping import kept_releases
from app.releases.opened import OpenBundle
from app.releases.publishing import publish, publish_opened
from app.settings import Settings
from tests import bundles
from tests.conftest import FAQ
from tests.hits import lexical_of

pytestmark = pytest.mark.anyio


async def names(catalog: Catalog) -> list[str]:
    return [release.record.name for release in await catalog.releases()]


async def test_publishing_names_the_release_after_both_revisions(catalog: Catalog, bundle: Bundle) -> None:
    name = await publish(catalog, bundle, FAQ)
    assert name == f"faq-{bundle.revision}-{knowledge_revision(FAQ)}"
    assert await catalog.active() == name


async def test_a_release_answers_from_what_was_published(catalog: Catalog, bundle: Bundle) -> None:
    answerer = await catalog.open(await publish(catalog, bundle, FAQ))
    (answered,) = await answerer.ask(["When do I get my money back?"])
    assert answered.status == "answered"
    best = answered.answers[0]
    assert best.id == "refund"
    assert best.matched_question == "When do I get my money back?"
    await answerer.close()


async def test_publishing_again_changes_nothing(catalog: Catalog, bundle: Bundle) -> None:
    first = await publish(catalog, bundle, FAQ)
    created = (await catalog.releases())[0].record.created_at
    assert await publish(catalog, bundle, list(reversed(FAQ))) == first
    assert (await catalog.releases())[0].record.created_at == created


async def test_progress_reaches_the_end(catalog: Catalog, bundle: Bundle) -> None:
    seen: list[tuple[int, int]] = []
    await publish(catalog, bundle, FAQ, lambda done, total: seen.append((done, total)))
    assert seen[0] == (0, 4)
    assert seen[-1] == (4, 4)


async def test_without_entries_there_is_nothing_to_publish(catalog: Catalog, bundle: Bundle) -> None:
    with pytest.raises(NotReady, match="app import"):
        await publish(catalog, bundle, [])


async def test_a_release_without_entries_answers_nothing_where_that_is_wanted(catalog: Catalog, bundle: Bundle) -> None:
    with OpenBundle(bundle.install(catalog.models), catalog.vectors) as opened:
        name = await publish_opened(catalog, opened, [], empty=True)
        assert await publish_opened(catalog, opened, [], empty=True) == name
    answerer = await catalog.open(name)
    (reply,) = await answerer.ask(["When do I get my money back?"], min_confidence=0)
    assert (reply.status, reply.answers, reply.suggestions) == ("no_answer", (), ())
    await answerer.close()
    assert await publish(catalog, bundle, FAQ) != name


async def test_keeps_the_active_the_one_before_and_the_last_of_the_bundle_before(
    catalog: Catalog, bundle: Bundle, other_bundle: Bundle
) -> None:
    made = [await publish(catalog, bundle, FAQ[: size + 1]) for size in range(2)]
    made += [await publish(catalog, other_bundle, FAQ[: size + 1]) for size in range(4)]
    assert await names(catalog) == [made[5], made[4], made[1]]
    assert (catalog.models / bundle.revision).is_dir()
    await publish(catalog, other_bundle, FAQ[1:])
    assert made[1] in await names(catalog)


async def test_dropping_the_last_release_of_a_bundle_drops_the_bundle(
    embedded: Catalog, bundle: Bundle, other_bundle: Bundle
) -> None:
    name = await publish(embedded, bundle, FAQ)
    await embedded.indexes.drop(name)
    for entries in (FAQ[:1], FAQ[:2]):
        await publish(embedded, other_bundle, entries)
    assert [path.name for path in embedded.models.iterdir()] == [other_bundle.revision]
    assert {path.name[:12] for path in embedded.vectors.iterdir()} == {other_bundle.revision}


def test_the_kept_releases_are_the_active_the_previous_and_the_last_of_another_bundle() -> None:
    def record(name: str) -> IndexRecord:
        _, bundle, knowledge = name.split("-")
        return IndexRecord(name=name, bundle=bundle, knowledge=knowledge, entries=1, dimension=1, created_at="")

    records = [record(name) for name in ("faq-a-1", "faq-a-2", "faq-b-1", "faq-b-2", "faq-b-3")]
    assert kept_releases(records, "faq-b-3", "faq-b-2") == {"faq-b-3", "faq-b-2", "faq-a-2"}
    assert kept_releases(records, "faq-b-3", "faq-a-1") == {"faq-b-3", "faq-a-1", "faq-a-2"}
    assert kept_releases(records, "faq-b-1", None) == {"faq-b-1", "faq-a-2"}


async def test_a_rollback_activates_the_previous_release(catalog: Catalog, bundle: Bundle) -> None:
    first = await publish(catalog, bundle, FAQ)
    second = await publish(catalog, bundle, FAQ[:2])
    await catalog.activate(first)
    assert [(release.record.name, release.active, release.previous) for release in await catalog.releases()] == [
        (second, False, True),
        (first, True, False),
    ]
    with pytest.raises(NotFound):
        await catalog.activate(first[:-12] + "0" * 12)


async def test_a_release_whose_bundle_is_gone_or_damaged_is_not_activated(embedded: Catalog, bundle: Bundle) -> None:
    first = await publish(embedded, bundle, FAQ)
    second = await publish(embedded, bundle, FAQ[:2])
    (embedded.models / bundle.revision / "model.onnx").write_bytes(b"damaged")
    with pytest.raises(BundleError, match=r"model\.onnx is not the file"):
        await embedded.activate(first)
    shutil.rmtree(embedded.models / bundle.revision)
    with pytest.raises(BundleError, match="does not exist"):
        await embedded.activate(first)
    assert await embedded.active() == second


async def test_a_damaged_release_is_built_again_under_a_suffix(embedded: Catalog, bundle: Bundle) -> None:
    name = await publish(embedded, bundle, FAQ)
    shutil.rmtree(embedded.models.parent / "index" / name / "postings")
    rebuilt = await publish(embedded, bundle, FAQ)
    assert rebuilt == f"{name}-2"
    answerer = await embedded.open(rebuilt)
    assert (await answerer.ask(["change password"]))[0].answers[0].id == "password"
    await answerer.close()


async def test_an_edit_encodes_only_what_it_changed(
    catalog: Catalog, bundle: Bundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    await publish(catalog, bundle, FAQ)
    encoded: list[str] = []
    for side in ("encode_queries", "encode_documents"):
        monkeypatch.setattr(Encoder, side, recording(getattr(Encoder, side), encoded))
    monkeypatch.setattr("app.releases.publishing._verify_release", _no_verification)
    edited = FAQ[0].model_copy(update={"answer": "Within six days."})
    await publish(catalog, bundle, [edited, *FAQ[1:]])
    assert encoded == ["Within six days."]


def recording(method: Callable[..., object], texts: list[str]) -> Callable[..., object]:
    """The method, noting the texts that it is given."""

    def recorded(encoder: Encoder, given: list[str]) -> object:
        texts.extend(given)
        return method(encoder, given)

    return recorded


async def _no_verification(*_: object) -> None:
    """It encodes too, and is not what is counted."""


async def test_a_damaged_vector_cache_is_rebuilt(embedded: Catalog, bundle: Bundle) -> None:
    embedded.vectors.mkdir()
    (embedded.vectors / f"{bundle.revision}.db").write_bytes(b"no database at all" * 100)
    await publish(embedded, bundle, FAQ)


async def test_long_answers_are_found_by_their_end(catalog: Catalog, bundle: Bundle) -> None:
    long = Entry(id="long", answer="delivery fee money " * 200 + "ask the keeper about wolf spam ping")
    answerer = await catalog.open(await publish(catalog, bundle, [*FAQ, long]))
    question = "wolf spam ping keeper"
    (vector,) = await answerer.encode([question])
    hits = await answerer.index.search(answerer.index.record.question(question, vector), 10, {})
    windows = next(entry.answer for entry in hits if entry.id == "long")
    similarities = windows @ vector
    assert len(windows) > 5
    assert similarities.argmax() == len(windows) - 1
    assert similarities.max() > 1.2 * similarities[0]
    await answerer.close()


async def test_another_language_is_another_index(settings: Settings, embedded: Catalog, bundle: Bundle) -> None:
    first = await publish(embedded, bundle, FAQ)
    german = Catalog(settings.model_copy(update={"language": "german"}))
    assert await publish(german, bundle, FAQ) == f"{first}-2"


GERMAN = [
    Entry(id="rueckgabe", question="Wie gebe ich eine Bestellung zurück?", answer="Binnen dreißig Tagen, im Paket."),
    Entry(id="passwort", question="Wie ändere ich das Passwort?", answer="Unter „Konto“, mit dem Link in der Mail."),
    Entry(id="versand", question="Was kostet der Versand?", answer="Ab fünfzig Euro nichts, sonst vier Euro neunzig."),
]


async def test_a_faq_in_another_language_is_found_by_the_forms_of_its_words(settings: Settings, bundle: Bundle) -> None:
    catalog = Catalog(settings.model_copy(update={"language": "de"}))
    answerer = await catalog.open(await publish(catalog, bundle, GERMAN))
    question = Question("Bestellungen zurückgeben", (await answerer.encode(["Bestellungen zurückgeben"]))[0])
    found = lexical_of(await answerer.index.search(question, 3, {}))
    assert found["rueckgabe"] > 0
    assert found["passwort"] == found["versand"] == 0
    await answerer.close()
    await catalog.close()


async def test_what_an_entry_must_not_answer_travels_with_the_release(catalog: Catalog, bundle: Bundle) -> None:
    guarded = FAQ[0].model_copy(update={"negatives": ("Who will get my gift?",)})
    answerer = await catalog.open(await publish(catalog, bundle, [guarded, *FAQ[1:]]))
    plain = await catalog.open(await publish(catalog, bundle, FAQ))
    question = "who get my gift"
    with_it, without = [
        next(r.score for r in (await each.rank([question], 20, {}))[0] if r.id == "refund")
        for each in (answerer, plain)
    ]
    assert with_it < without
    (ranked,) = await answerer.rank(["Who will get my gift"], 20, {})
    assert "refund" not in {entry.id for entry in ranked}
    for each in (answerer, plain):
        await each.close()


async def test_a_bundle_of_two_graphs_is_published_and_finds_what_it_holds(catalog: Catalog, tmp_path: Path) -> None:
    name = await publish(catalog, bundles.make(tmp_path / "both", answers_seed=1), FAQ)
    answerer = await catalog.open(name)
    (asked,) = await answerer.ask(["I lost my password"], min_confidence=0)
    assert answerer.bundle.two_sided
    assert asked.answers[0].id == "password"
    await answerer.close()
