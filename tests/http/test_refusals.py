"""The log of refused requests: the first of a kind, then counts."""

import asyncio

import pytest

from app.http.refusals import Refusals

pytestmark = pytest.mark.anyio


async def test_the_first_refusal_of_a_kind_is_logged_and_the_others_are_counted(
    caplog: pytest.LogCaptureFixture,
) -> None:
    refusals = Refusals(window_s=0.05)
    for number in range(300):
        refusals.add("index_unavailable", f"Qdrant does not answer ({number}).")
    refusals.add("store_unavailable", "The database is locked.")
    await asyncio.sleep(0.2)
    refusals.add("index_unavailable", "Qdrant does not answer.")
    assert [record.getMessage() for record in caplog.records] == [
        "index_unavailable: Qdrant does not answer (0).",
        "store_unavailable: The database is locked.",
        "index_unavailable: 299 more requests were refused within 0.05 s",
        "index_unavailable: Qdrant does not answer.",
    ]
