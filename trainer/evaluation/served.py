"""A temporary index on disk, built by the code that publishes, to measure what the service would answer."""

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from app.answering import ranking_of
from app.encoding.bundle import Bundle, HeldOut
from app.encoding.encoder import Encoder
from app.index.embedded import EmbeddedStore
from app.index.protocol import Index
from app.knowledge.entry import Entry
from app.ranking.heldout import LIMIT, Asked, Evaluator, Outcome, resolve
from app.ranking.ranking import Ranking
from app.releases.measuring import calibrated
from app.releases.payloads import payload_of
from app.releases.publishing import batches, record_of
from app.releases.spool import Spool
from app.releases.vector_cache import CachedEncoder
from app.settings import Settings


class Served:
    """An open index of entries."""

    def __init__(self, index: Index, encoder: Encoder, entries: Sequence[Entry], runner: asyncio.Runner) -> None:
        self.entries = entries
        self.encoder = encoder
        self._evaluator = Evaluator(index, encoder, [payload_of(entry) for entry in entries])
        self._runner = runner

    def ask(self, asked: Sequence[Asked], limit: int = LIMIT) -> list[Outcome]:
        """The candidates of each question, up to `limit` of each kind."""
        return self._runner.run(self._evaluator.ask(asked, limit))

    def ask_heldout(self, heldout: Sequence[HeldOut]) -> list[Outcome]:
        """The candidates of held-out questions, without questions whose entry is not in the index."""
        return self.ask(resolve(heldout, self._evaluator.payloads))

    def ranking(self, bundle: Bundle) -> Ranking:
        """The bundle's ranking with the calibration that a release of these entries would have."""
        return ranking_of(bundle, self._runner.run(calibrated(self._evaluator, bundle)))


@contextmanager
def served(bundle: Bundle, entries: Sequence[Entry], encoder: Encoder) -> Iterator[Served]:
    """An index of the entries. `encoder` is the bundle's."""
    with TemporaryDirectory() as scratch, asyncio.Runner() as runner:
        index = runner.run(_built(Path(scratch), bundle, entries, encoder))
        try:
            yield Served(index, encoder, entries, runner)
        finally:
            runner.run(index.close())


async def _built(directory: Path, bundle: Bundle, entries: Sequence[Entry], encoder: Encoder) -> Index:
    store = EmbeddedStore(directory / "index")
    with CachedEncoder(encoder, directory / "vectors.db") as cached, Spool(entries, directory) as spool:
        record = record_of(bundle, spool, Settings())
        await store.build(record, batches(cached, spool))
    return await store.open(record.name)
