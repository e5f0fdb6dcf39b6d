"""A bundle with a reranker, published and asked: off, on, and only where one is not sure."""

from collections.abc import AsyncIterator
from pathlib import Path

import onnx
import pytest
from tokenizers import Tokenizer
from tokenizers.processors import TemplateProcessing

from app import answering
from app.answering import Answerer, Rerank
from app.encoding import bundle as bundles
from app.encoding.bundle import Bundle, HeldOut, Reranking
from app.ranking.calibration import Calibration
from app.ranking.ranking import Ranking
from app.releases.catalog import Catalog
from app.releases.publishing import publish
from app.settings import Settings
from tests.bundles import make
from tests.ranking.test_reranker import graph
from tests.releases.test_measuring import MANY

pytestmark = pytest.mark.anyio
QUESTION = "turn to page"  # which every answer says
SETTINGS = Reranking(max_tokens=32, with_question=False)
AGAIN = Calibration(bias=-2.0, score_weight=1.0, margin_weight=1.0, threshold=0.5)


@pytest.fixture
def reranking(tmp_path: Path) -> Bundle:
    """The small bundle with a reranker that counts token ids, and held-out questions."""
    heldout = [HeldOut(f"{entry.alternatives[0]} now", entry.id, entry.answer) for entry in MANY]
    made = make(tmp_path / "bundle", heldout=heldout)
    tokenizer = Tokenizer.from_file(str(made.directory / bundles.TOKENIZER))
    tokenizer.post_processor = TemplateProcessing("[PAD] $A", "$A [PAD] $B:1", [("[PAD]", 0)])
    tokenizer.save(str(made.directory / bundles.TOKENIZER))
    onnx.save(graph(), made.directory / bundles.RERANKER)
    ranking = Ranking.of(made).model_copy(update={"reranker_weight": 0.01, "reranked": AGAIN})
    (made.directory / bundles.RANKING).write_text(ranking.model_dump_json())
    kept = made.manifest.model_dump(include={"base_model", "recipe", "created_at"})
    bundles.seal(made.directory, encoding=made.manifest.encoding, reranker=SETTINGS, **kept)
    return Bundle.load(made.directory)


@pytest.fixture
async def release(settings: Settings, reranking: Bundle) -> AsyncIterator[str]:
    catalog = Catalog(settings)
    yield await publish(catalog, reranking, MANY)
    await catalog.close()


async def opened(settings: Settings, release: str, rerank: Rerank) -> Answerer:
    return await Catalog(settings.model_copy(update={"rerank": rerank})).open(release)


async def test_on_and_off(settings: Settings, release: str) -> None:
    orders = {}
    for rerank in ("off", "on"):
        answerer = await opened(settings, release, rerank)
        (ranked,) = await answerer.rank([QUESTION], 20, {})
        assert ranked.reranked is (rerank == "on")
        orders[rerank] = [entry.id for entry in ranked]
        await answerer.close()
    assert set(orders["on"]) == set(orders["off"])
    assert orders["on"] != orders["off"]


async def test_auto_reads_again_only_what_one_is_not_sure_of(
    settings: Settings, release: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    answerer = await opened(settings, release, "auto")
    unsure, sure = await answerer.rank([QUESTION, MANY[0].question], 20, {})
    assert unsure.reranked
    assert not sure.reranked
    assert sure.confidences[0] >= answering.CONFIDENT
    await answerer.close()


async def test_reranked_candidates_have_a_calibration_of_their_own(
    settings: Settings, release: str, reranking: Bundle
) -> None:
    answerer = await opened(settings, release, "on")
    calibrated = answerer.calibrated
    assert calibrated is not None
    assert calibrated.reranked is not None
    assert isinstance(answerer.ranking, Ranking)
    assert answerer.ranking.reranked == calibrated.reranked != Ranking.of(reranking).reranked
    (answered,) = await answerer.ask([QUESTION], min_confidence=0)
    assert answered.status != "no_answer"
    await answerer.close()
