"""Answers as HTML, kept for the next time they are shown: what an answer looks like depends on its text alone."""

import asyncio
from collections.abc import Iterable

from cachetools import LRUCache

from app.markup import to_html

KEPT_CHARACTERS = 8_000_000  # of answers and their HTML; about 8 to 32 MB


class Renderings:
    """The HTML of the answers shown last. Used on the event loop only; new ones are made in a thread."""

    def __init__(self, characters: int = KEPT_CHARACTERS) -> None:
        self._kept: LRUCache[str, tuple[str, int]] = LRUCache(characters, getsizeof=lambda kept: kept[1])

    async def of(self, answers: Iterable[str]) -> dict[str, str]:
        """From each answer to its HTML."""
        html = {}
        for answer in dict.fromkeys(answers):
            kept = self._kept.get(answer)
            html[answer] = kept[0] if kept else await asyncio.to_thread(to_html, answer)
            if not kept:
                self._keep(answer, html[answer])
        return html

    def _keep(self, answer: str, html: str) -> None:
        size = len(answer) + len(html)
        if size <= self._kept.maxsize:
            self._kept[answer] = html, size
