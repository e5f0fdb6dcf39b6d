"""An update of the active release: increments, publishes in their place, and what is kept of either."""

from collections.abc import AsyncIterator, Iterator

import pytest

from app.encoding.bundle import Bundle
from app.knowledge.entry import Entry
from app.knowledge.store import Store
from app.releases import increments
from app.releases.catalog import Catalog
from app.releases.increments import refit, update
from app.releases.opened import OpenBundle
from app.releases.publishing import publish_opened
from app.settings import Settings
from tests.conftest import FAQ

pytestmark = pytest.mark.anyio


@pytest.fixture
def store(settings: Settings) -> Iterator[Store]:
    store = Store.open(settings.sqlalchemy_url)
    store.import_entries(FAQ, "replace")
    yield store
    store.close()


@pytest.fixture
async def opened(embedded: Catalog, bundle: Bundle, store: Store) -> AsyncIterator[OpenBundle]:
    """The bundle of a release of the whole FAQ, which is active."""
    with OpenBundle(bundle.install(embedded.models), embedded.vectors) as opened:
        await publish_opened(embedded, opened, store.published())
        yield opened


def save(store: Store, entry: Entry) -> None:
    store.import_entries([entry], "append")


def edited(entry: Entry, answer: str) -> Entry:
    return entry.model_copy(update={"answer": answer})


async def answers(catalog: Catalog, question: str) -> list[str]:
    """The answers of the active release to a question, best first."""
    active = await catalog.active()
    assert active
    answerer = await catalog.open(active)
    (ranked,) = await answerer.rank([question], 10, {})
    await answerer.close()
    return [entry.payload["answer"] for entry in ranked]


async def records(catalog: Catalog) -> list[tuple[int, int]]:
    """The increment and the number of entries of each release, oldest first."""
    return [(record.increment, record.entries) for record in await catalog.indexes.records()]


async def test_an_edit_a_new_entry_and_a_removed_one_become_increments(
    embedded: Catalog, store: Store, opened: OpenBundle
) -> None:
    base = await embedded.active()
    save(store, edited(FAQ[0], "Within six days."))
    first = await update(embedded, store, opened)
    assert (await answers(embedded, FAQ[0].question))[0] == "Within six days."
    save(store, Entry(id="wolf", question="What about the wolf?", answer="Ask the keeper."))
    store.delete(FAQ[1].id)
    second = await update(embedded, store, opened)
    assert (await answers(embedded, "What about the wolf?"))[0] == "Ask the keeper."
    assert FAQ[1].answer not in await answers(embedded, FAQ[1].question)
    assert await records(embedded) == [(0, 4), (1, 4), (2, 4)]
    by_name = {record.name: record for record in await embedded.indexes.records()}
    assert by_name[first].base == by_name[second].base == base
    assert second == f"faq-{opened.bundle.revision}-{store.revision()}"
    assert await embedded.indexes.pointer() == (second, first)


async def test_without_a_change_the_release_stays(embedded: Catalog, store: Store, opened: OpenBundle) -> None:
    active = await embedded.active()
    assert await update(embedded, store, opened) == active
    assert await records(embedded) == [(0, 4)]


async def test_an_earlier_content_activates_its_release(embedded: Catalog, store: Store, opened: OpenBundle) -> None:
    base = await embedded.active()
    save(store, edited(FAQ[0], "Within six days."))
    first = await update(embedded, store, opened)
    save(store, FAQ[0])
    assert await update(embedded, store, opened) == base
    save(store, edited(FAQ[0], "Within six days."))
    assert await update(embedded, store, opened) == first
    assert await records(embedded) == [(0, 4), (1, 4)]


async def test_only_the_changes_asked_for_are_published(embedded: Catalog, store: Store, opened: OpenBundle) -> None:
    save(store, edited(FAQ[0], "Within six days."))
    save(store, edited(FAQ[1], "Imported, and not to be published yet."))
    store.delete(FAQ[2].id)
    await update(embedded, store, opened, only={FAQ[0].id})
    assert (await answers(embedded, FAQ[0].question))[0] == "Within six days."
    assert (await answers(embedded, FAQ[1].question))[0] == FAQ[1].answer
    assert FAQ[2].answer in await answers(embedded, FAQ[2].question)
    await update(embedded, store, opened)
    assert (await answers(embedded, FAQ[1].question))[0] == "Imported, and not to be published yet."


async def test_after_a_rollback_an_edit_extends_what_is_active(
    embedded: Catalog, store: Store, opened: OpenBundle
) -> None:
    base = str(await embedded.active())
    save(store, edited(FAQ[0], "Within six days."))
    await update(embedded, store, opened)
    await embedded.activate(base)
    save(store, edited(FAQ[1], "With the new form."))
    await update(embedded, store, opened, only={FAQ[1].id})
    assert (await answers(embedded, FAQ[0].question))[0] == FAQ[0].answer
    assert (await answers(embedded, FAQ[1].question))[0] == "With the new form."
    assert await records(embedded) == [(0, 4), (1, 4), (2, 4)]


async def test_follow_ups_show_the_changed_question_of_another_entry(
    embedded: Catalog, store: Store, opened: OpenBundle
) -> None:
    save(store, FAQ[0].model_copy(update={"follow_ups": (FAQ[1].id,)}))
    await update(embedded, store, opened)
    save(store, FAQ[1].model_copy(update={"question": "How can I change my lost password?"}))
    name = await update(embedded, store, opened)
    async with embedded.index(name) as index:
        (entry,) = await index.entries([FAQ[0].id])
    assert entry.payload["follow_ups"] == [{"faq_id": FAQ[1].id, "question": "How can I change my lost password?"}]


async def test_settings_take_effect_with_a_publish_and_not_with_an_edit(
    settings: Settings, embedded: Catalog, store: Store, opened: OpenBundle
) -> None:
    german = Catalog(settings.model_copy(update={"language": "german"}))
    save(store, edited(FAQ[0], "Within six days."))
    await update(german, store, opened, only={FAQ[0].id})
    assert [record.language for record in await german.indexes.records()] == ["english", "english"]
    await update(german, store, opened)
    save(store, edited(FAQ[0], "Within seven days."))
    await update(german, store, opened)
    assert [record.language for record in await german.indexes.records()] == ["english", "english", "german", "german"]
    await german.close()


async def test_what_a_process_that_died_left_behind_is_activated_only_with_its_calibration(
    embedded: Catalog, store: Store, opened: OpenBundle
) -> None:
    base = str(await embedded.active())
    save(store, edited(FAQ[0], "Within six days."))
    left = await update(embedded, store, opened)
    (embedded.models.parent / "index" / left / "calibration.json").unlink()
    await embedded.indexes.activate(base)
    assert await update(embedded, store, opened) == f"{left}-2"
    assert await embedded.indexes.calibration(f"{left}-2") == await embedded.indexes.calibration(base)
    assert await records(embedded) == [(0, 4), (1, 4), (2, 4)]


async def test_many_changes_are_compacted(
    embedded: Catalog, store: Store, opened: OpenBundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(increments, "COMPACT_LEAST", 1)
    for number in range(3):
        save(store, edited(FAQ[0], f"Edition {number}."))
        await update(embedded, store, opened)
        assert (await answers(embedded, FAQ[0].question))[0] == f"Edition {number}."
    assert await records(embedded) == [(0, 4), (1, 4), (0, 4), (1, 4)]


async def test_a_damaged_increment_is_replaced_by_a_publish(
    embedded: Catalog, store: Store, opened: OpenBundle
) -> None:
    save(store, edited(FAQ[0], "Within six days."))
    first = await update(embedded, store, opened)
    (embedded.models.parent / "index" / first / "payloads.jsonl").write_text("damaged")
    save(store, edited(FAQ[0], "Within seven days."))
    await update(embedded, store, opened)
    assert (await answers(embedded, FAQ[0].question))[0] == "Within seven days."
    assert (await embedded.indexes.records())[-1].increment == 0


async def test_increments_inherit_the_calibration_until_it_is_fitted_again(
    embedded: Catalog, store: Store, opened: OpenBundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    base = str(await embedded.active())
    calibration = await embedded.indexes.calibration(base)
    save(store, edited(FAQ[0], "Within six days."))
    name = await update(embedded, store, opened)
    assert await embedded.indexes.calibration(name) == calibration
    monkeypatch.setattr(increments, "FIT_SHARE", 0.5)
    await refit(embedded, store, opened)
    assert await embedded.indexes.calibration(name) == calibration
    monkeypatch.setattr(increments, "FIT_SHARE", 0.05)
    await refit(embedded, store, opened)
    fitted = await embedded.indexes.calibration(name)
    assert calibration
    assert fitted
    assert (calibration["fitted_for"], fitted["fitted_for"]) == (base, name)
