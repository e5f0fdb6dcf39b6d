"""The release that answers, and what becomes of the one before it."""

import asyncio
import re
from pathlib import Path

import pytest

from app.encoding.bundle import Bundle
from app.releases.catalog import Catalog
from app.releases.live import Live
from app.releases.publishing import publish
from tests.conftest import FAQ

pytestmark = pytest.mark.anyio


async def test_a_replaced_release_is_closed_when_its_last_request_is_done(embedded: Catalog, bundle: Bundle) -> None:
    first = await publish(embedded, bundle, FAQ)
    live = Live(embedded)
    await live.follow()
    async with live.answerer() as before:
        second = await publish(embedded, bundle, FAQ[:3])
        await live.follow()
        await asyncio.sleep(0.05)
        assert mapped() >= {first, second}
        assert (before.release, live.release) == (first, second)
        assert await before.index.count() == 4
        del before
    await live.close()
    assert not mapped() & {first, second}


def mapped() -> set[str]:
    """The publishes whose files this process has mapped, also those that are deleted."""
    maps = Path("/proc/self/maps").read_text(encoding="utf-8")
    return set(re.findall(r"/index/(?:\.building-dropped-)?(faq-[^/]+)/rows\.npy", maps))
