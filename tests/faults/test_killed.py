"""A real process, killed at any moment of a reindex: the old release goes on serving, the next run cleans up."""

import asyncio
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from app.encoding.bundle import Bundle
from app.golden.questions import GoldenStore, NewQuestion
from app.knowledge.entry import Entry
from app.knowledge.store import Store
from app.releases.catalog import Catalog
from app.replies import Reply
from app.settings import Settings
from tests.conftest import FAQ, fill, publish_home

SCRIPT = Path(__file__).parent / "kill.py"
POINTS = 10


def reindex(settings: Settings, at: int, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a reindex that dies at event `at`; 0 lets it live."""
    return subprocess.run(
        [sys.executable, str(SCRIPT), str(at), "reindex", *arguments],
        env={**os.environ, **settings.environment(), "PYTHONPATH": str(SCRIPT.parents[2])},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def ask(settings: Settings, question: str) -> tuple[str, Reply]:
    """What a service that starts now would say."""

    async def run() -> tuple[str, Reply]:
        catalog = Catalog(settings)
        active = await catalog.active()
        assert active is not None
        answerer = await catalog.open(active)
        try:
            return active, (await answerer.ask([question]))[0]
        finally:
            await answerer.close()
            await catalog.close()

    return asyncio.run(run())


def edition(number: int) -> list[Entry]:
    """The FAQ with an answer that tells which edition it is of."""
    return [*FAQ[1:], FAQ[0].model_copy(update={"answer": f"Edition {number}."})]


def make_golden(settings: Settings, question: NewQuestion) -> None:
    """Measure each release on a golden question, so that kills meet the gate too."""
    store = Store.open(settings.sqlalchemy_url)
    GoldenStore(store.database).take([question])
    store.close()


@pytest.mark.slow
def test_a_reindex_killed_at_any_moment_leaves_a_whole_release(
    published: Settings, bundle: Bundle, other_bundle: Bundle
) -> None:
    make_golden(published, NewQuestion("When will I get my refund?", "refund"))
    fill(published, edition(0))
    whole = reindex(published, 0, "--bundle", str(other_bundle.directory))
    assert whole.returncode == 0, whole.stderr
    counted = re.search(r"events: (\d+)", whole.stdout)
    assert counted is not None
    events = int(counted[1])
    assert events > 100
    for point in range(POINTS):
        before, _ = ask(published, "When will I get my refund?")
        fill(published, edition(point + 1))
        killed = reindex(published, 1 + events * point // POINTS, "--bundle", str(other_bundle.directory))
        assert killed.returncode == -9, killed.stderr
        after, answered = ask(published, "When will I get my refund?")
        text = answered.answers[0].answer
        assert text in (f"Edition {point}.", f"Edition {point + 1}.")
        assert (after == before) == (text == f"Edition {point}.")
        publish_home(published, other_bundle)
        assert ask(published, "When will I get my refund?")[1].answers[0].answer == (f"Edition {point + 1}.")
    left = sorted(path.name for path in (published.home / "index").iterdir())
    assert left[0] == "active.json"
    assert len(left) <= 4
    assert all(name.startswith("faq-") for name in left[1:])
    assert not [path for path in (published.home / "models").iterdir() if path.name.startswith(".")]
