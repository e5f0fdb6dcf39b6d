"""Completes what a user types to questions of the FAQ, by words and beginnings of words, without encoding anything."""

from bisect import bisect_right
from collections.abc import Iterable, Iterator
from itertools import accumulate, islice
from typing import NamedTuple

from app.text.normalize import fold_accents, normalize

MOST_READ = 400  # questions that are compared for one text
SEPARATOR = b"\n"


class Completion(NamedTuple):
    """A question that has every word that was typed, and the id of its entry."""

    id: str
    question: str


class Completions:
    """The questions of many entries in one folded text, so that 100,000 of them are searched in milliseconds."""

    def __init__(self, questions: Iterable[tuple[str, str]] = ()) -> None:
        """`questions`: the id and the question of each entry; entries without a question are left out."""
        unique = {question: Completion(entry_id, question) for entry_id, question in questions if question}
        self._completions = sorted(unique.values(), key=lambda completion: len(completion.question))
        self._folded = [_folded(completion.question) for completion in self._completions]
        self._all = SEPARATOR.join(self._folded)
        self._ends = list(accumulate(len(text) + 1 for text in self._folded))

    def of(self, typed: str, limit: int) -> list[Completion]:
        """Up to `limit` questions that have all words: first those that begin with the text, then by length."""
        wanted = _folded(typed)
        words = [b" " + word for word in wanted.split()]
        if not words:
            return []
        numbers = list(islice(self._holding(max(words, key=len)), MOST_READ))
        matching = [number for number in numbers if all(word in self._folded[number] for word in words)]
        matching.sort(key=lambda number: not self._folded[number].startswith(wanted))  # stable: shorter ones stay first
        return [self._completions[number] for number in matching[:limit]]

    def _holding(self, word: bytes) -> Iterator[int]:
        """The numbers of the questions that hold the text, ascending."""
        at = self._all.find(word)
        while at >= 0:
            number = bisect_right(self._ends, at)
            yield number
            at = self._all.find(word, self._ends[number])


def _folded(text: str) -> bytes:
    """Without case, accents and punctuation around words; each word has a space before it."""
    words = (normalize(word) for word in fold_accents(normalize(text)).split())
    return "".join(f" {word}" for word in words).encode()
