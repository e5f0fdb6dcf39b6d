from pathlib import Path

import pytest

from trainer.training import memory, model


def test_whether_a_batch_fits_depends_on_its_tokens_and_on_recomputation(
    tiny_base: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    encoder = model.load(str(tiny_base), "cpu")  # two layers of 32
    monkeypatch.setattr(memory, "free_bytes", lambda: 2 * 1000 * 2 * 32 * memory.UNIT)
    assert memory.fits(encoder, 1000)
    assert not memory.fits(encoder, 1001)
    assert memory.fits(encoder, 10_000, recomputed=True)


def test_free_memory_is_found() -> None:
    assert memory.free_bytes() > 2**20
