"""Findings of the lint about single entries: as they were saved, or as an editor would save them."""

import asyncio
import logging
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path
from threading import Lock

from app.answering import Answerer
from app.encoding.bundle import TOKENIZER, Encoding
from app.encoding.lengths import Lengths
from app.errors import FaqError, NotReady
from app.knowledge.entry import Entry
from app.knowledge.store import Store
from app.lint.finding import Finding
from app.lint.saving import Live as Compared
from app.lint.saving import compared_findings, own_findings
from app.releases.live import Live

logger = logging.getLogger(__name__)
_tokenizing = Lock()  # a tokenizer serves one thread at a time


async def findings_about(store: Store, live: Live, entries: Sequence[Entry]) -> dict[str, list[Finding]]:
    """The findings by the id of the entry, the most important first; archived entries have none.

    No FaqError is raised: what cannot be checked is logged.
    """
    checked, encoder = [entry for entry in entries if entry.state != "archived"], None
    findings: dict[str, list[Finding]] = {entry.id: [] for entry in entries}
    try:
        if checked:
            async with live.answerer() as answerer:
                encoder = answerer.bundle.directory / TOKENIZER, answerer.bundle.manifest.encoding
                _add(findings, await compared_findings(checked, _compared(answerer)))
    except NotReady:
        pass
    except FaqError as error:
        logger.warning("Entries could not be compared with those of the live release: %s", error)
    try:
        _add(findings, await asyncio.to_thread(_own, store, checked, encoder))
    except FaqError as error:
        logger.warning("Entries could not be checked: %s", error)
    return {name: sorted(each, key=lambda item: item.key) for name, each in findings.items()}


def _add(findings: dict[str, list[Finding]], more: Mapping[str, Sequence[Finding]]) -> None:
    for name, each in more.items():
        findings[name] += each


def _compared(answerer: Answerer) -> Compared:
    """The release that answers, to compare entries with."""
    encoding = answerer.bundle.manifest.encoding
    alike = not answerer.bundle.two_sided and encoding.question_prefix == encoding.answer_prefix
    return Compared(answerer.index, answerer.encode, encodes_answers=alike)


def _own(store: Store, entries: Sequence[Entry], encoder: tuple[Path, Encoding] | None) -> dict[str, list[Finding]]:
    """What is wrong with each entry by itself."""
    wanted = {name for entry in entries for name in entry.follow_ups}
    follow_ups, now = {entry.id: entry for entry in store.entries_of(wanted)}, datetime.now(UTC)
    with _tokenizing:
        lengths = _lengths(*encoder) if encoder else None
        return {entry.id: own_findings(entry, now, follow_ups, lengths) for entry in entries}


@lru_cache(maxsize=1)
def _lengths(tokenizer: Path, encoding: Encoding) -> Lengths:
    return Lengths(tokenizer, encoding)
