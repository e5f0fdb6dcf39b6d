"""Answers with markup rank as their plain text does, in every place that reads them."""

import pytest

from app.encoding.bundle import Bundle, HeldOut
from app.encoding.encoder import Encoder
from app.knowledge.entry import Entry
from app.ranking.heldout import Evaluator, resolve
from app.releases.catalog import Catalog
from app.releases.payloads import payload_of
from app.releases.publishing import batches, publish, record_of
from app.releases.spool import Spool
from app.releases.vector_cache import CachedEncoder
from tests.conftest import FAQ
from tests.hits import lexical_of

pytestmark = pytest.mark.anyio

MARKUP = {
    "refund": "<p>Within <b>five days</b> of the&nbsp;return.</p>",
    "password": "Use **the link** below the [sign-in form](https://shop.example/sign-in).",
    "delivery": "<div>Delivery is <a href='https://shop.example/fees'>free</a> above 50&#32;euros.</div>",
    "passage": "We ship `pets`, *wolves* and turnips by order of the keeper.",
}
MARKED = [entry.model_copy(update={"answer": MARKUP[entry.id]}) for entry in FAQ]
QUESTIONS = ["When do I get my money back?", "free delivery", "the link below", "pets and wolves", "spam"]


async def ranked(catalog: Catalog, bundle: Bundle, entries: list[Entry]) -> list[list[tuple[str, float, float]]]:
    answerer = await catalog.open(await publish(catalog, bundle, entries))
    try:
        rankings = await answerer.rank(QUESTIONS, 20, {})
    finally:
        await answerer.close()
    return [
        [(entry.id, round(entry.score, 5), round(entry.confidence, 5)) for entry in ranking] for ranking in rankings
    ]


async def test_a_release_of_answers_with_markup_ranks_as_one_of_the_plain_answers(
    catalog: Catalog, bundle: Bundle
) -> None:
    assert await ranked(catalog, bundle, MARKED) == await ranked(catalog, bundle, FAQ)


async def test_held_out_questions_have_the_same_outcomes_with_and_without_markup(
    catalog: Catalog, bundle: Bundle
) -> None:
    heldout = [HeldOut(entry.phrasings[0], "gone", entry.answer) for entry in FAQ if entry.question]
    by_faq = []
    for entries in (FAQ, MARKED):
        index = await catalog.indexes.open(await publish(catalog, bundle, entries))
        payloads = [payload_of(entry) for entry in entries]
        questions = resolve(heldout, payloads)
        outcomes = await Evaluator(index, Encoder(bundle), payloads).ask(questions)
        lexical = [
            sorted((name, round(score, 4)) for name, score in lexical_of(outcome.hits).items()) for outcome in outcomes
        ]
        by_faq.append((questions, lexical, [sorted(outcome.hits.answers) for outcome in outcomes]))
        await index.close()
    assert by_faq[0] == by_faq[1]
    assert len(by_faq[0][0]) == 3


async def test_a_release_from_a_version_that_kept_markup_is_built_again(embedded: Catalog, bundle: Bundle) -> None:
    """Its name and all else that it says of itself would let it pass for the one that is wanted."""
    bundle = bundle.install(embedded.models)
    cache = embedded.vectors / "old.db"
    with CachedEncoder(Encoder(bundle), cache) as encoder, Spool(MARKED, embedded.settings.home) as spool:
        old = record_of(bundle, spool, embedded.settings).model_copy(update={"plain_text": 0})
        await embedded.indexes.build(old, batches(encoder, spool))
    assert await publish(embedded, bundle, MARKED) == f"{old.name}-2"
    assert await publish(embedded, bundle, MARKED) == f"{old.name}-2"


async def test_a_release_without_markup_stays_what_it_was(embedded: Catalog, bundle: Bundle) -> None:
    with Spool(FAQ, embedded.settings.home) as spool:
        assert record_of(bundle, spool, embedded.settings).plain_text == 0
    assert "plain_answer" not in payload_of(FAQ[0])
