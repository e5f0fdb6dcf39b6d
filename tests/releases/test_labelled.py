"""Which questions of users calibrate a release."""

from contextlib import closing
from pathlib import Path

import pytest

from app.encoding.bundle import Bundle, HeldOut
from app.golden.questions import GoldenStore, NewQuestion
from app.knowledge.store import Store
from app.questions.feedback import Feedbacks, Opinion, Subject
from app.releases.catalog import Catalog
from app.releases.labelled import labelled
from app.releases.opened import OpenBundle
from app.releases.publishing import publish_opened
from tests import bundles
from tests.releases.test_measuring import MANY

BEFORE, AFTER = 1_700_000_000.0, 1_900_000_000.0  # the bundles of the tests are of 2026


def give(store: Store, number: int, question: str, at: float, opinion: Opinion) -> None:
    subject = Subject(f"{number:032x}", "answered", "faq-a-b", question, None, None)
    Feedbacks(store.database).give(subject, opinion, at)


def test_golden_questions_and_feedback_that_was_not_trained_on_count(tmp_path: Path) -> None:
    bundle = bundles.make(tmp_path / "held", heldout=[HeldOut("held", "refund-0")])
    with closing(Store.open(f"sqlite:///{tmp_path / 'knowledge.db'}")) as store:
        store.import_entries(MANY, "replace")
        GoldenStore(store.database).take([NewQuestion("golden", "refund-0"), NewQuestion("nothing", None)])
        right = Opinion(True, "refund-1")
        give(store, 1, "early", BEFORE, right)
        give(store, 2, "held", BEFORE, right)
        give(store, 3, "late", AFTER, Opinion(False, "refund-1", correct_faq_id="refund-2"))
        give(store, 4, "unhelpful", AFTER, Opinion(False, "refund-1"))
        give(store, 5, "golden", AFTER, right)
        known = {question.question: question.faq_id for question in labelled(store.database, bundle)}
    assert known == {"golden": "refund-0", "nothing": None, "late": "refund-2", "held": "refund-1"}


@pytest.mark.anyio
async def test_they_calibrate_a_release_whose_bundle_holds_nothing_out(embedded: Catalog, bundle: Bundle) -> None:
    real = [HeldOut(f"{entry.alternatives[0]} now", entry.id) for entry in MANY]
    with OpenBundle(bundle.install(embedded.models), embedded.vectors) as opened:
        name = await publish_opened(embedded, opened, MANY, real=lambda: real)
    answerer = await embedded.open(name)
    await answerer.close()
    assert answerer.calibrated is not None
    assert answerer.calibrated.calibration is not None
    assert answerer.calibrated.figures["questions"] == len(MANY)
