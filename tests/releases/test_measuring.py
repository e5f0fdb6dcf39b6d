"""How sure one may be of a release: its bundle's held-out questions, asked of what it holds."""

from pathlib import Path

import pytest

from app.encoding.bundle import HeldOut
from app.knowledge.entry import Entry
from app.ranking.calibration import calibrated_of
from app.ranking.ranking import Ranking
from app.releases.catalog import Catalog
from app.releases.live import Live
from app.releases.publishing import publish
from app.settings import Settings
from tests import bundles

pytestmark = pytest.mark.anyio
THINGS = "refund password money order email gift key delivery spam wolf".split()  # noqa: SIM905
MANY = [
    Entry(
        id=f"{thing}-{i}",
        question=f"How do I {verb} my {thing}?",
        alternatives=(f"Can I {verb} a {thing}",),
        answer=f"To {verb} the {thing}, turn to page {i}.",
    )
    for i, verb in enumerate(("change", "return", "send", "lost"))
    for thing in THINGS
]


async def test_a_release_is_calibrated_by_what_its_bundle_holds_out_or_says_why_not(
    catalog: Catalog, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """By id, by the answer's text where the id is another, and not by questions whose entry is gone."""
    caplog.set_level("INFO")
    entries = [entry.model_copy(update={"id": f"other-{entry.id}"}) for entry in MANY]
    held = [HeldOut(f"{entry.alternatives[0]} now", entry.id, entry.answer) for entry in MANY]
    bundle = bundles.make(tmp_path / "held", heldout=[*held, HeldOut("gone", "gone", "gone")])
    name = await publish(catalog, bundle, entries)
    live = Live(catalog)
    await live.follow()
    assert live.calibrated
    await live.close()
    answerer = await catalog.open(name)
    calibrated = answerer.calibrated
    assert calibrated is not None
    assert calibrated.figures["questions"] == len(MANY)
    assert answerer.ranking.calibration == calibrated.calibration != Ranking.of(bundle).calibration
    await answerer.close()
    few = await catalog.open(await publish(catalog, bundle, entries[:10]))
    live = Live(catalog)
    await live.follow()
    assert not live.calibrated
    await live.close()
    assert few.calibrated is not None
    assert few.calibrated.calibration is None
    assert few.calibrated.problems == ("Only 10 held-out questions are answered by an entry; calibration needs 30.",)
    (said,) = [record for record in caplog.records if "Only 10 held-out questions" in record.getMessage()]
    assert (said.name, said.levelname) == ("app.releases.live", "INFO")
    assert few.ranking == Ranking.of(bundle)
    await few.close()


async def test_ids_that_mean_other_entries_calibrate_nothing(embedded: Catalog, tmp_path: Path) -> None:
    """The text comes first; and where ids alone lead to wrong entries, the bundle's own calibration stays."""
    shifted = [entry.model_copy(update={"id": MANY[i - 1].id}) for i, entry in enumerate(MANY)]
    questions = [(f"{entry.alternatives[0]} now", entry.id) for entry in MANY]
    with_texts = [HeldOut(*pair, entry.answer) for pair, entry in zip(questions, MANY, strict=True)]
    right = await embedded.open(await publish(embedded, bundles.make(tmp_path / "a", heldout=with_texts), shifted))
    assert right.calibrated is not None
    assert right.calibrated.figures["precision@1"] > 0.8
    bare = bundles.make(tmp_path / "b", heldout=[HeldOut(*pair) for pair in questions])
    wrong = await embedded.open(await publish(embedded, bare, shifted))
    assert wrong.calibrated is not None
    assert wrong.calibrated.calibration is None or wrong.calibrated.calibration.discriminates
    for answerer in (right, wrong):
        await answerer.close()


async def test_a_stricter_target_answers_less_in_a_release_of_its_own(
    settings: Settings, embedded: Catalog, tmp_path: Path
) -> None:
    held = [HeldOut(f"{entry.alternatives[0]} now", entry.id, entry.answer) for entry in MANY]
    bundle = bundles.make(tmp_path / "held", heldout=held)
    first = await publish(embedded, bundle, MANY)
    strict = Catalog(settings.model_copy(update={"target_precision": 0.99}))
    second = await publish(strict, bundle, MANY)
    assert second == f"{first}-2"
    both = [await embedded.indexes.open(name) for name in (first, second)]
    lax, stern = (
        calibrated.calibration for index in both if (calibrated := calibrated_of(index.calibration, index.record.name))
    )
    assert lax
    assert stern
    assert stern.threshold >= lax.threshold
    for index in both:
        await index.close()


async def test_many_unanswerable_questions_first_in_the_file_do_not_crowd_the_others_out(
    embedded: Catalog, tmp_path: Path
) -> None:
    nothing = [HeldOut(f"where do pets get spam {i}", None) for i in range(600)]
    held = [HeldOut(f"{entry.alternatives[0]} now", entry.id, entry.answer) for entry in MANY]
    name = await publish(embedded, bundles.make(tmp_path / "held", heldout=[*nothing, *held]), MANY)
    calibrated = calibrated_of(await embedded.indexes.calibration(name), name)
    assert calibrated is not None
    assert calibrated.problems == ()
    assert calibrated.figures["questions"] == len(MANY)
    assert calibrated.figures["unanswerable"] == 500 - len(MANY)


async def test_a_stricter_offer_precision_raises_the_offer_threshold(
    settings: Settings, embedded: Catalog, tmp_path: Path
) -> None:
    held = [HeldOut(f"{entry.alternatives[0]} now", entry.id, entry.answer) for entry in MANY]
    bundle = bundles.make(tmp_path / "held", heldout=held)
    strict = Catalog(settings.model_copy(update={"offer_precision": 0.99}))
    names = [await publish(catalog, bundle, MANY) for catalog in (embedded, strict)]
    thresholds = [
        calibrated.calibration.offer.threshold
        for name in names
        if (calibrated := calibrated_of(await embedded.indexes.calibration(name), name)) and calibrated.calibration
    ]
    assert len(set(names)) == len(thresholds) == 2
    assert thresholds[1] > thresholds[0]


async def test_questions_about_a_single_entry_calibrate_nothing(embedded: Catalog, tmp_path: Path) -> None:
    entry = MANY[0]
    held = [HeldOut(f"{entry.alternatives[0]} now {i}", entry.id, entry.answer) for i in range(40)]
    name = await publish(embedded, bundles.make(tmp_path / "held", heldout=held), MANY)
    calibrated = calibrated_of(await embedded.indexes.calibration(name), name)
    assert calibrated is not None
    assert calibrated.problems == ("The held-out questions are about 1 entries only; calibration needs 5.",)
