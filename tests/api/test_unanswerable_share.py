"""The share of unanswerable questions over HTTP: stated in the settings, and estimated from what is asked."""

import asyncio
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient
from typer.testing import CliRunner

from app.api.schemas import MAX_BATCH
from app.cli import releases
from app.encoding.bundle import Bundle, HeldOut
from app.http.security import digest_of
from app.knowledge.entry import Entry
from app.ranking.adaptation import EVERY, MOST_OF_A_CLIENT, STEP
from app.ranking.unanswerable import Unanswerable
from app.releases.catalog import Catalog
from app.settings import Settings
from tests import bundles
from tests.conftest import ADMIN_KEY, fill, publish_home
from tests.service import checked_client

THINGS = "refund password money order email gift key delivery spam wolf".split()  # noqa: SIM905
ENTRIES = [
    Entry(
        id=f"{thing}-{verb}",
        question=f"How do I {verb} my {thing}?",
        alternatives=(f"Can I {verb} a {thing}",),
        answer=f"To {verb} the {thing}, see page {page}.",
    )
    for page, verb in enumerate(("change", "return", "send", "lost"))
    for thing in THINGS
]
QUESTIONS = [
    f"please, {verb} {thing} {end}" for verb in ("change", "send") for thing in THINGS for end in ("now", "or")
]
STRANGE = [f"why is the turnip {word} {number}" for word in ("free", "it", "by") for number in range(60)]


@pytest.fixture(scope="module")
def held(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    """A bundle that holds out enough questions to calibrate a release."""
    questions = [HeldOut(f"{entry.alternatives[0]} now", entry.id, entry.answer) for entry in ENTRIES]
    return bundles.make(tmp_path_factory.mktemp("held"), heldout=questions)


def settings_of(home: Path, bundle: Bundle, **options: Any) -> Settings:  # noqa: ANN401
    """A published FAQ_HOME."""
    settings = Settings(home=home, port=0, admin_keys=(digest_of(ADMIN_KEY),), **options)
    fill(settings, ENTRIES)
    publish_home(settings, bundle)
    return settings


def ask(client: TestClient, question: str) -> dict[str, Any]:
    """The reply, with every candidate as an answer: nothing is decided at `min_confidence` 0."""
    response = client.post("/v1/ask", json={"question": question, "top_k": 5, "min_confidence": 0})
    assert response.status_code == 200, response.text
    reply: dict[str, Any] = response.json()
    return reply


def ask_all(client: TestClient, questions: list[str]) -> None:
    for start in range(0, len(questions), MAX_BATCH):
        batch = questions[start : start + MAX_BATCH]
        assert client.post("/v1/ask/batch", json={"questions": batch}).status_code == 200


def confidences(client: TestClient, question: str) -> dict[str, float]:
    return {answer["faq_id"]: answer["confidence"] for answer in ask(client, question)["answers"]}


def unanswerable_of(settings: Settings) -> Unanswerable:
    """The model of u of the active release."""

    async def read() -> Unanswerable:
        catalog = Catalog(settings)
        try:
            (release,) = await catalog.releases()
        finally:
            await catalog.close()
        assert release.calibrated
        assert release.calibrated.calibration
        assert release.calibrated.calibration.unanswerable
        return release.calibrated.calibration.unanswerable

    return asyncio.run(read())


def metric(client: TestClient, name: str) -> float:
    lines = client.get("/metrics").text.splitlines()
    return float(next(line.split()[-1] for line in lines if line.startswith(f"faqtual_{name}")))


def test_confidences_follow_the_stated_share_exactly(tmp_path: Path, held: Bundle) -> None:
    """r' = A r / (A (1 - u) + B u), with A = (1 - share) / .8 and B = share / .2, and the order stays."""
    usual = settings_of(tmp_path / "usual", held)
    with checked_client(usual) as client:
        before = {question: ask(client, question)["answers"] for question in QUESTIONS}
    model = unanswerable_of(usual)
    assert model.share == 0.2
    for share in (0.05, 0.6):
        a, b = (1 - share) / 0.8, share / 0.2
        with checked_client(settings_of(tmp_path / str(share), held, unanswerable_share=share)) as client:
            for question, answers in before.items():
                u = model.probability(answers[0]["score"])
                asked = confidences(client, question)
                assert list(asked) == [answer["faq_id"] for answer in answers]
                expected = [a * answer["confidence"] / (a * (1 - u) + b * u) for answer in answers]
                assert list(asked.values()) == pytest.approx(expected, abs=5e-4)


def test_what_is_asked_is_counted_and_suggested_and_changes_no_reply(
    tmp_path: Path, held: Bundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = settings_of(tmp_path, held)
    with checked_client(settings) as client:
        first = ask(client, STRANGE[0])["answers"]
        assert metric(client, 'unanswerable_share{kind="estimated"}') == pytest.approx(0.2, abs=0.01)
        ask_all(client, STRANGE)
        ask_all(client, STRANGE)
        assert metric(client, "unanswerable_questions") == len(STRANGE)
        assert metric(client, 'unanswerable_share{kind="estimated"}') > 0.35
        assert metric(client, 'unanswerable_share{kind="applied"}') == 0.2
        assert ask(client, STRANGE[0])["answers"] == first
    with checked_client(settings) as client:  # it survives a restart
        client.headers["Authorization"] = f"Bearer {ADMIN_KEY}"
        (release,) = client.get("/v1/admin/releases").json()["releases"]
        assert release["unanswerable_share"] == 0.2
        assert release["estimated_unanswerable_share"]["questions"] == len(STRANGE)
        assert release["estimated_unanswerable_share"]["share"] > 0.35
        assert 0 <= release["estimated_unanswerable_share"]["misfit"] <= 1
    monkeypatch.setenv("FAQ_HOME", str(settings.home))
    shown = " ".join(CliRunner().invoke(releases.cli).output.split())
    assert f"Estimated from {len(STRANGE)} questions:" in shown
    assert "(stated: 20%;" in shown


def test_one_client_is_counted_only_so_often(tmp_path: Path, held: Bundle) -> None:
    with checked_client(settings_of(tmp_path, held)) as client:
        ask_all(client, [f"why is it {number}" for number in range(MOST_OF_A_CLIENT + 20)])
        assert metric(client, "unanswerable_questions") == MOST_OF_A_CLIENT


def test_on_shifts_fresh_and_cached_replies_alike_without_changing_their_order(tmp_path: Path, held: Bundle) -> None:
    settings = settings_of(tmp_path, held, adapt_confidence="on")
    model = unanswerable_of(settings)
    with checked_client(settings) as client:
        before = ask(client, QUESTIONS[0])["answers"]
        ask_all(client, STRANGE)
        share = metric(client, 'unanswerable_share{kind="applied"}')
        assert share == pytest.approx(0.2 + STEP * ((len(STRANGE) + 1) // EVERY))
        a, b, u = (1 - share) / 0.8, share / 0.2, model.probability(before[0]["score"])
        cached = confidences(client, QUESTIONS[0])
        assert list(cached) == [answer["faq_id"] for answer in before]
        expected = [a * answer["confidence"] / (a * (1 - u) + b * u) for answer in before]
        assert list(cached.values()) == pytest.approx(expected, abs=5e-4)
        fresh = client.post("/v1/ask", json={"question": QUESTIONS[0], "top_k": 6, "min_confidence": 0}).json()
        assert [(answer["faq_id"], answer["confidence"]) for answer in fresh["answers"]][:5] == list(cached.items())
        exact = ask(client, ENTRIES[0].question)["answers"][0]
        assert exact["confidence"] == 1
