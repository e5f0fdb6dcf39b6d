"""The gate: releases that break golden questions are built, and not activated."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from app.encoding.bundle import Bundle
from app.errors import Blocked, NotReady
from app.golden.questions import GoldenStore, NewQuestion
from app.golden.runs import Runs
from app.jobs.jobs import Canceled
from app.knowledge.entry import Entry
from app.knowledge.store import Store
from app.releases.activating import activate
from app.releases.catalog import Catalog
from app.releases.examining import compare, opened
from app.releases.gate import Gate
from app.releases.increments import update
from app.releases.opened import OpenBundle
from app.releases.publishing import publish, publish_opened
from tests.conftest import FAQ

REFUND, PASSWORD = "When will I get my refund?", "How do I reset my password?"
NOWHERE = "turnip wolf turnip"
SPOILED = [FAQ[0].model_copy(update={"question": "What is a gift?", "alternatives": ()}), *FAQ[1:]]


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    store = Store.open(f"sqlite:///{tmp_path / 'golden.db'}")
    store.import_entries(FAQ, "replace")
    yield store
    store.close()


@pytest.fixture
def runs(store: Store) -> Runs:
    GoldenStore(store.database).take(
        [NewQuestion(REFUND, "refund"), NewQuestion(PASSWORD, "password"), NewQuestion(NOWHERE, None)]
    )
    return Runs(store.database)


async def gated(catalog: Catalog, bundle: Bundle, entries: list[Entry], gate: Gate) -> str:
    return await publish(catalog, bundle, entries, gate=gate)


@pytest.mark.anyio
async def test_a_release_that_breaks_golden_questions_is_blocked_kept_and_waits_for_an_override(
    catalog: Catalog, bundle: Bundle, store: Store, runs: Runs
) -> None:
    gate = Gate(store.database, 0)
    first = await gated(catalog, bundle, FAQ, gate)
    assert runs.page().runs[0].outcome == "passed"
    with pytest.raises(Blocked) as blocked:
        await gated(catalog, bundle, SPOILED, gate)
    name = blocked.value.release
    assert f"“{REFUND}”: expected `refund`, gets" in str(blocked.value)
    assert f"releases activate {name} --override" in str(blocked.value)
    assert await catalog.active() == first
    assert runs.blocked() == [name]
    await gated(catalog, bundle, FAQ[:3], gate)
    assert name in await catalog.indexes.names()
    with pytest.raises(Blocked, match="breaks 1 golden question and is blocked"):
        await activate(catalog, runs, name, "ann")
    assert await activate(catalog, runs, name, "ann", override=True)
    assert await catalog.active() == name
    assert runs.of_gate([name])[name].overridden_by == "ann"
    assert not await activate(catalog, runs, first, "ann")
    assert not await activate(catalog, runs, name, "ann")


@pytest.mark.anyio
async def test_the_limit_and_an_override_let_a_release_pass(
    embedded: Catalog, bundle: Bundle, store: Store, runs: Runs
) -> None:
    await gated(embedded, bundle, FAQ, Gate(store.database, 0))
    tolerant = await gated(embedded, bundle, SPOILED, Gate(store.database, 1))
    assert await embedded.active() == tolerant
    assert (runs.page().runs[0].outcome, runs.page().runs[0].broken) == ("passed", 1)
    await gated(embedded, bundle, FAQ, Gate(store.database, 0))
    assert await gated(embedded, bundle, SPOILED, Gate(store.database, 0).overridden("ann")) == tolerant
    run = runs.page().runs[0]
    assert (run.outcome, run.overridden_by, run.against != tolerant) == ("overridden", "ann", True)


@pytest.mark.anyio
async def test_entries_that_were_archived_or_removed_are_reported_and_not_counted(
    embedded: Catalog, bundle: Bundle, store: Store, runs: Runs
) -> None:
    gate = Gate(store.database, 0)
    await gated(embedded, bundle, FAQ, gate)
    with store.edit("ann") as editor:
        editor.archive("refund", ["*"])
    store.delete("password")
    await gated(embedded, bundle, list(store.published()), gate)
    run = runs.page().runs[0]
    assert (run.outcome, run.broken, run.waived) == ("passed", 0, 2)
    assert {missed["expected"]: missed["reason"] for missed in run.waived_questions} == {
        "refund": "archived",
        "password": "removed",
    }


@pytest.mark.anyio
async def test_an_increment_asks_only_the_questions_whose_first_candidates_changed(
    embedded: Catalog, bundle: Bundle, store: Store, runs: Runs
) -> None:
    many = [Entry(id=f"n{i}", question=f"turnip {i} wolf?", answer=f"Answer {i}.") for i in range(20)]
    store.import_entries(many, "append")
    gate = Gate(store.database, 0)
    with OpenBundle(bundle.install(embedded.models), embedded.vectors) as opened_bundle:
        await publish_opened(embedded, opened_bundle, store.published(), gate=gate)
        store.import_entries([FAQ[2].model_copy(update={"answer": "Delivery fee: none."})], "append")
        edited = await update(embedded, store, opened_bundle, gate=gate)
        first, whole = runs.page().runs
        assert (first.release, first.outcome, first.questions, first.right) == (edited, "passed", 3, whole.right)
        assert first.asked < whole.asked == 3
        store.import_entries(SPOILED[:1], "append")
        with pytest.raises(Blocked, match=REFUND[:10]) as blocked:
            await update(embedded, store, opened_bundle, gate=gate)
        assert await embedded.active() == edited
        assert str(await Gate(store.database, 0).check(embedded, blocked.value.release)) == str(blocked.value)
        store.import_entries(FAQ[:1], "append")
        assert await update(embedded, store, opened_bundle, gate=gate) == edited
        store.import_entries([FAQ[0].model_copy(update={"answer": "Within six days."})], "append")
        corrected = await update(embedded, store, opened_bundle, gate=gate)
    assert await embedded.active() == corrected
    assert blocked.value.release in await embedded.indexes.names()


@pytest.mark.anyio
async def test_a_canceled_gate_leaves_the_old_release_and_no_run(
    embedded: Catalog, bundle: Bundle, store: Store, runs: Runs
) -> None:
    gate = Gate(store.database, 0)
    first = await gated(embedded, bundle, FAQ, gate)
    before = runs.page().total

    def progress(done: int, total: int) -> None:
        if total - done == 1:
            raise Canceled("stop")

    with pytest.raises(Canceled):
        await publish(embedded, bundle, SPOILED, progress, gate)
    assert (await embedded.active(), runs.page().total) == (first, before)


@pytest.mark.anyio
async def test_without_golden_questions_nothing_is_measured(embedded: Catalog, bundle: Bundle, store: Store) -> None:
    gate = Gate(store.database, 0)
    name = await gated(embedded, bundle, FAQ, gate)
    assert Runs(store.database).page().total == 0
    with pytest.raises(NotReady, match="no golden questions"):
        await gate.measure(embedded, name)


@pytest.mark.anyio
async def test_releases_are_compared_question_by_question(
    catalog: Catalog, bundle: Bundle, store: Store, runs: Runs
) -> None:
    gate = Gate(store.database, 5)
    first = await gated(catalog, bundle, FAQ, gate)
    second = await gated(catalog, bundle, SPOILED, gate)
    async with opened(catalog, first) as before, opened(catalog, second) as after:
        there = await compare(before, after, await gate._questions())
        back = await compare(after, before, await gate._questions())
    assert [item.verdict for item in there] == ["worse", "same", "same"]
    assert [item.verdict for item in back] == ["better", "same", "same"]
    assert (there[0].before.answer, there[0].after.right) == ("refund", False)
    judged = await gate.measure(catalog, first)
    assert (judged.right, judged.fixed, runs.page().runs[0].outcome) == (3, 1, "measured")
