"""An index is published only if it finds the entries that it holds, by text and by vectors alone."""

import numpy as np
import pytest

from app.encoding.bundle import Bundle
from app.encoding.encoder import Encoder
from app.errors import IndexUnavailable
from app.index import checksums, scan
from app.index.candidates import Question
from app.index.filters import Filter
from app.index.hits import Hits
from app.index.protocol import Calibration, Index, IndexRecord
from app.index.vector_file import VECTORS
from app.knowledge.entry import Entry
from app.releases.catalog import Catalog
from app.releases.publishing import publish
from app.releases.verifying import verify
from tests.bundles import VOCABULARY
from tests.conftest import FAQ

pytestmark = pytest.mark.anyio
MANY = [
    Entry(id=f"e{i}", question=f"{word} {VOCABULARY[-i]} {i}", answer=f"{word} {i} {VOCABULARY[i - 7]}")
    for i, word in enumerate(VOCABULARY)
]


async def test_an_index_of_another_bundle_is_refused(catalog: Catalog, bundle: Bundle, other_bundle: Bundle) -> None:
    name = await publish(catalog, bundle, FAQ)
    index = await catalog.indexes.open(name)
    await verify(index, Encoder(bundle))
    with pytest.raises(IndexUnavailable, match="does not find its entry"):
        await verify(index, Encoder(other_bundle))
    await index.close()


async def test_an_index_that_holds_fewer_entries_than_its_record_says_is_refused(
    catalog: Catalog, bundle: Bundle
) -> None:
    name = await publish(catalog, bundle, FAQ)
    index = await catalog.indexes.open(name)
    index.record = index.record.model_copy(update={"entries": 5})
    with pytest.raises(IndexUnavailable, match="holds 4 entries instead of 5"):
        await verify(index, Encoder(bundle))
    await index.close()


async def test_entries_of_the_same_text_pass(catalog: Catalog, bundle: Bundle) -> None:
    same = [Entry(id=f"e{i}", question="Do you ship?", answer="Yes.", metadata={"n": i}) for i in range(40)]
    await publish(catalog, bundle, same)


class OppositeVectors:
    """An index whose vector search is broken: it looks in the opposite direction. Words and lookup keys still work."""

    search_now = None

    def __init__(self, index: Index) -> None:
        self.record: IndexRecord = index.record
        self.calibration: Calibration | None = index.calibration
        self.count, self.sample, self.holds, self.close = index.count, index.sample, index.holds, index.close
        self.verified, self.digests = index.verified, index.digests
        self.entries, self.preview = index.entries, index.preview
        self._index = index

    async def search(self, question: Question, limit: int, where: Filter) -> Hits:
        return await self._index.search(question._replace(vector=-question.vector), limit, where)


async def test_an_index_whose_vectors_find_nothing_is_refused_although_words_and_keys_find_everything(
    catalog: Catalog, bundle: Bundle
) -> None:
    index = await catalog.indexes.open(await publish(catalog, bundle, MANY))
    await verify(index, Encoder(bundle))
    with pytest.raises(IndexUnavailable, match=r"finds \d+ of 32 entries by the vectors of their answers"):
        await verify(OppositeVectors(index), Encoder(bundle))
    await index.close()


async def test_a_scan_of_damaged_vectors_is_refused(embedded: Catalog, bundle: Bundle) -> None:
    name = await publish(embedded, bundle, MANY)
    directory = embedded.models.parent / "index" / name
    stored = (directory / VECTORS).read_bytes()
    (directory / VECTORS).write_bytes((-np.frombuffer(stored, np.float32)).tobytes())
    checksums.write(directory)
    index = await embedded.indexes.open(name)
    (directory / VECTORS).write_bytes(stored)  # the scan has its own copy, so that only the search is damaged
    with pytest.raises(IndexUnavailable, match="by the vectors of their answers"):
        await verify(index, Encoder(bundle))
    await index.close()


@pytest.mark.parametrize(("kind", "named"), [("answers", "answers"), ("phrasings", "phrasings")])
async def test_damaged_cells_are_refused(
    embedded: Catalog, bundle: Bundle, monkeypatch: pytest.MonkeyPatch, kind: str, named: str
) -> None:
    monkeypatch.setattr(scan, "LIMIT", 0)  # as for an index that is too large to compare all of it
    name = await publish(embedded, bundle, MANY)
    directory = embedded.models.parent / "index" / name
    for part in ("heads.npy", "tails.npy"):
        file = directory / "cells" / kind / part
        np.save(file, -np.load(file))
    checksums.write(directory)
    index = await embedded.indexes.open(name)
    with pytest.raises(IndexUnavailable, match=f"by the vectors of their {named}"):
        await verify(index, Encoder(bundle))
    await index.close()
