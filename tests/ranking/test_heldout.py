"""A held-out question is asked as if the index did not hold it, in whichever spelling."""

from pathlib import Path

import pytest

from app.encoding.bundle import Bundle
from app.encoding.encoder import Encoder
from app.knowledge.entry import Entry
from app.ranking.heldout import Asked, Evaluator, Outcome
from app.releases.catalog import Catalog
from app.releases.payloads import payload_of
from app.releases.publishing import publish
from app.settings import Settings
from tests.hits import matches_of

pytestmark = pytest.mark.anyio
ENTRIES = [
    Entry(id="cafe", question="Où est le café ?", alternatives=("Where can I get coffee?",), answer="On floor 2."),
    Entry(id="code", question="What does L-2010 mean?", alternatives=("red light",), answer="The lid is open."),
    Entry(id="other", question="What does L-2011 mean?", answer="The lid is lost."),
]


async def outcome(home: Path, bundle: Bundle, question: str, relevant: str) -> Outcome:
    catalog = Catalog(Settings(home=home))
    index = await catalog.indexes.open(await publish(catalog, bundle, ENTRIES))
    evaluator = Evaluator(index, Encoder(bundle), [payload_of(entry) for entry in ENTRIES])
    (found,) = await evaluator.ask([Asked(question, frozenset([relevant]))])
    await index.close()
    await catalog.close()
    return found


@pytest.mark.parametrize("question", ["Où est le café ?", "OÙ EST LE CAFE\u0301", "ou est le cafe?"])
async def test_the_phrasing_that_an_exact_match_would_find_is_removed(
    tmp_path: Path, bundle: Bundle, question: str
) -> None:
    found = await outcome(tmp_path, bundle, question, "cafe")
    own = next(entry for entry in found.hits if entry.id == "cafe")
    assert found.removed
    assert own.payload["phrasings"] == ["Where can I get coffee?"]
    assert not found.features.exact.any()


async def test_an_identifier_that_only_the_removed_phrasing_held_is_not_held(tmp_path: Path, bundle: Bundle) -> None:
    found = await outcome(tmp_path, bundle, "what does L-2010 mean", "code")
    assert found.removed
    assert not found.features.held.any()
    asked_otherwise = await outcome(tmp_path, bundle, "L2010 on the display", "code")
    held = {name for name, match in matches_of(asked_otherwise.hits).items() if match.identifiers}
    assert (asked_otherwise.removed, held) == (False, {"code"})
