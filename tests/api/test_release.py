"""The route that says which release answers."""

from app.encoding.bundle import MANIFEST, add_metrics
from app.settings import Settings
from tests.service import checked_client


def test_the_release_that_answers_is_named_with_its_model_and_what_training_gained(published: Settings) -> None:
    with checked_client(published) as client:
        told = client.get("/v1/release").json()
        assert told == {
            "release": client.post("/v1/ask", json={"question": "refund"}).json()["release"],
            "model": told["release"].split("-")[1],
            "fine_tuned": True,
            "gain": None,
        }
    add_metrics(published.home / "models" / told["model"], gain={"before": 0.82, "after": 0.91})
    with checked_client(published) as client:
        assert client.get("/v1/release").json() == {**told, "gain": {"before": 0.82, "after": 0.91}}


def test_the_base_model_is_not_a_fine_tuned_one(published: Settings) -> None:
    (manifest,) = published.home.glob(f"models/*/{MANIFEST}")
    manifest.write_text(manifest.read_text().replace('"recipe": "none"', '"recipe": "base"'))
    with checked_client(published) as client:
        assert client.get("/v1/release").json()["fine_tuned"] is False


def test_without_a_release_there_is_nothing_to_name(settings: Settings) -> None:
    with checked_client(settings) as client:
        assert client.get("/v1/release").status_code == 503
