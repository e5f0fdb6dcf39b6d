"""The release that answers, and what becomes of the one before it."""

import asyncio
import re
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from app.encoding.bundle import Bundle
from app.knowledge.entry import Entry
from app.knowledge.store import Store
from app.releases.catalog import Catalog
from app.releases.increments import update
from app.releases.live import Live
from app.releases.opened import OpenBundle
from app.releases.publishing import publish
from app.settings import Settings
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
        assert mapped(embedded) >= {first, second}
        assert (before.release, live.release) == (first, second)
        assert await before.index.count() == 4
        del before
    await live.close()
    assert not mapped(embedded) & {first, second}


def set_deadline(catalog: Catalog, milliseconds: int) -> None:
    catalog.settings = catalog.settings.model_copy(update={"request_timeout_ms": milliseconds})


def mapped(catalog: Catalog) -> set[str]:
    """The publishes of a catalog whose files this process has mapped, also those that are deleted."""
    maps = Path("/proc/self/maps").read_text(encoding="utf-8")
    home = re.escape(str(catalog.settings.home))
    return set(re.findall(home + r"/index/(?:\.building-dropped-)?(faq-[^/]+)/rows\.npy", maps))


async def test_a_switch_waits_until_at_most_one_other_publish_is_open(embedded: Catalog, bundle: Bundle) -> None:
    set_deadline(embedded, 60_000)
    first = await publish(embedded, bundle, FAQ)
    live = Live(embedded)
    await live.follow()
    async with live.answerer() as before:
        second = await publish(embedded, bundle, FAQ[:3])
        await live.follow()
        skipped = await publish(embedded, bundle, FAQ[:2])
        switching = asyncio.create_task(live.follow())
        await asyncio.sleep(0.05)
        last = await publish(embedded, bundle, FAQ[:1])
        await asyncio.sleep(0.05)
        assert (before.release, live.release) == (first, second)
        assert mapped(embedded) == {first, second}
        assert not switching.done()
        del before
    await switching
    assert live.release == last
    await live.close()
    assert not mapped(embedded) & {first, second, skipped, last}


async def test_a_switch_waits_no_longer_than_a_request_may_take(embedded: Catalog, bundle: Bundle) -> None:
    set_deadline(embedded, 1)
    live = Live(embedded)
    async with AsyncExitStack() as requests:
        for count in (4, 3, 2):
            name = await publish(embedded, bundle, FAQ[:count])
            await live.follow()
            answerer = await requests.enter_async_context(live.answerer())
            assert answerer.release == name
    await live.close()


async def test_an_increment_of_an_open_publish_does_not_wait(
    embedded: Catalog, bundle: Bundle, settings: Settings
) -> None:
    set_deadline(embedded, 60_000)
    live = Live(embedded)
    first = await publish(embedded, bundle, FAQ[:3])
    await live.follow()
    store = Store.open(settings.sqlalchemy_url)
    async with live.answerer():
        store.import_entries(FAQ, "replace")
        with OpenBundle(bundle.install(embedded.models), embedded.vectors) as opened:
            second = await publish(embedded, bundle, FAQ)
            await live.follow()
            for question in ("Where is my parcel?", "Where is my turnip?"):
                store.import_entries([Entry(id="new", question=question, answer="On its way.")], "append")
                await update(embedded, store, opened)
                await live.follow()
                assert live.release == await embedded.active()
        assert mapped(embedded) == {first, second}
    await live.close()
    store.close()
