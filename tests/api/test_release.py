"""The route that says which release answers."""

from pathlib import Path

from app.encoding.bundle import MANIFEST, add_metrics
from app.settings import Settings
from tests.service import checked_client


def manifest_of(settings: Settings) -> Path:
    (manifest,) = settings.home.glob(f"models/*/{MANIFEST}")
    return manifest


def test_the_release_that_answers_is_named_with_its_model_and_what_training_gained(published: Settings) -> None:
    gain = {"before": 0.82, "after": 0.91}
    add_metrics(manifest_of(published).parent, gain=gain)
    with checked_client(published) as client:
        release = client.post("/v1/ask", json={"question": "refund"}).json()["release"]
        told = {"release": release, "model": release.split("-")[1], "fine_tuned": True, "gain": gain}
        assert client.get("/v1/release").json() == told


def test_the_base_model_is_not_a_fine_tuned_one_and_gained_nothing(published: Settings) -> None:
    manifest = manifest_of(published)
    manifest.write_text(manifest.read_text().replace('"recipe": "none"', '"recipe": "base"'))
    with checked_client(published) as client:
        told = client.get("/v1/release").json()
    assert (told["fine_tuned"], told["gain"]) == (False, None)


def test_without_a_release_there_is_nothing_to_name(settings: Settings) -> None:
    with checked_client(settings) as client:
        assert client.get("/v1/release").status_code == 503
