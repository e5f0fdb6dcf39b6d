"""An LRU cache of answers rendered as HTML."""

import asyncio
from collections.abc import Iterable

from cachetools import LRUCache

from app.text.markup import to_html

MAX_CHARACTERS = 8_000_000  # of answers and their HTML; about 8 to 32 MB


class Renderings:
    """Renders answers as HTML and caches the result by the answer's text. Use it only on the event loop."""

    def __init__(self, characters: int = MAX_CHARACTERS) -> None:
        self._cache: LRUCache[str, tuple[str, int]] = LRUCache(characters, getsizeof=lambda entry: entry[1])

    async def of(self, answers: Iterable[str]) -> dict[str, str]:
        """The HTML of each answer. Answers that are not in the cache are rendered in a thread."""
        html = {}
        for answer in dict.fromkeys(answers):
            cached = self._cache.get(answer)
            html[answer] = cached[0] if cached else await asyncio.to_thread(to_html, answer)
            if not cached:
                self._put(answer, html[answer])
        return html

    def _put(self, answer: str, html: str) -> None:
        size = len(answer) + len(html)
        if size <= self._cache.maxsize:
            self._cache[answer] = html, size
