"""Encoding in several processes gives what one process gives."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from app.encoding import encoders
from app.encoding.bundle import Bundle
from app.encoding.encoder import Encoder
from app.encoding.encoders import ANSWER, QUESTION, Encoders, Side

GIGABYTE = 2**30
TEXTS = [f"When will I get refund {number}, and how do I track the order?" for number in range(120)]


@pytest.fixture(scope="module")
def pair(bundle: Bundle) -> Iterator[Encoders]:
    """The encoders of two further processes, which are asked from the first text on."""
    pair = Encoders(Encoder(bundle), bundle, processes=2, alone=0)
    yield pair
    pair.close()


@pytest.mark.parametrize("side", [QUESTION, ANSWER])
def test_two_processes_give_the_vectors_of_one(side: Side, pair: Encoders, bundle: Bundle) -> None:
    requests = [pair.begin(side, TEXTS[start : start + 40]) for start in range(0, len(TEXTS), 40)]
    together = [vectors for request in requests for vectors in request.result(60)]
    alone = Encoders(Encoder(bundle)).begin(side, TEXTS).result(0)
    for one, other in zip(alone, together, strict=True):
        assert one.shape == other.shape
        np.testing.assert_allclose(one, other, atol=1e-6)


@pytest.mark.parametrize(("limit", "most"), [(2 * GIGABYTE, 4), (GIGABYTE // 10, 1)])
def test_as_many_processes_are_the_default_as_half_of_a_containers_memory_holds(
    limit: int, most: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "limit").write_text(f"{limit}\n")
    monkeypatch.setattr(encoders, "_LIMITS", (tmp_path / "limit", tmp_path / "missing"))
    monkeypatch.setattr(encoders, "usable", lambda: 64)
    assert encoders.default_processes() == most


def test_a_few_texts_start_no_process(bundle: Bundle) -> None:
    few = Encoders(Encoder(bundle), bundle, processes=2)
    assert few.begin(QUESTION, TEXTS).done()
    few.close()
