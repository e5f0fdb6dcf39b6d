"""Keys that find an entry whatever its similarity: hashes of its phrasings, its negatives, its identifiers and its id.

A key is the 64-bit BLAKE2 hash of a normalised text, in hexadecimal. The server index keeps an entry's keys in its
payload; the embedded index keeps all keys in one file, which is memory-mapped:

lookup.npy   (2, keys) uint64: the keys, ascending, and the entry of each
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from hashlib import blake2b
from pathlib import Path
from typing import Any, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from app.errors import IndexUnavailable
from app.index.candidates import Question
from app.index.words import text_of
from app.text.identifiers import identifiers_of
from app.text.normalize import fold_accents, normalize

LOOKUP = "lookup.npy"


class Match(NamedTuple):
    """How the keys of an entry match those of a question."""

    same: bool = False  # a phrasing is the question
    folded: bool = False  # a phrasing is the question when accents are ignored
    excluded: bool = False  # a negative is the question
    identifiers: frozenset[str] = frozenset()  # the identifiers of the question that the entry holds


class QuestionKeys(NamedTuple):
    """The keys to look up for a question. A text of nothing but invisible characters has none."""

    same: frozenset[str]  # phrasings that are the question
    folded: frozenset[str]  # phrasings that are the question when accents are ignored
    negative: frozenset[str]  # negatives that are the question
    identifiers: Mapping[str, str]  # the question's identifiers by their keys

    @property
    def phrasings(self) -> frozenset[str]:
        """The keys of phrasings that are the question, with accents or without."""
        return self.same | self.folded


def keys_of(payload: Mapping[str, Any], common: Collection[str] = ()) -> list[str]:
    """All keys of an entry, sorted. `common`: identifiers that too many entries hold; they get no key."""
    keys = [key for phrasing in payload["phrasings"] for key in _phrasing_keys(phrasing)]
    keys += [_key("!", text) for negative in payload["negatives"] if (text := normalize(negative))]
    keys += [_key("#", name) for name in identifiers_of(text_of(payload)).difference(common)]
    return sorted(set(keys))


def id_key(entry_id: str) -> str:
    """The key of an entry's id, in the embedded index; the server finds ids by their field."""
    return _key("@", entry_id)


def question_keys(question: Question) -> QuestionKeys:
    """The keys to look up for a question."""
    text = normalize(question.text)
    identifiers = {_key("#", name): name for name in question.identifiers}
    if not text:
        return QuestionKeys(frozenset(), frozenset(), frozenset(), identifiers)
    folded = fold_accents(text)  # a phrasing without accents has one key, that of its text
    same, folded_keys = frozenset([_key("=", text)]), frozenset([_key("=", folded), _key("~", folded)])
    return QuestionKeys(same, folded_keys, frozenset([_key("!", text)]), identifiers)


def groups_of(matches: Mapping[int, Match]) -> list[list[int]]:
    """The entries whose phrasing is the question, and those that hold one of its identifiers; no group is empty."""
    if not matches:
        return []
    same = [number for number, match in matches.items() if match.same or match.folded]
    holders = [number for number, match in matches.items() if match.identifiers]
    return [sorted(group) for group in (same, holders) if group]


def match_of(wanted: QuestionKeys, keys: Collection[str]) -> Match:
    """How an entry with these keys matches the keys of a question."""
    held = frozenset(name for key, name in wanted.identifiers.items() if key in keys)
    return Match(
        not wanted.same.isdisjoint(keys), not wanted.folded.isdisjoint(keys), not wanted.negative.isdisjoint(keys), held
    )


class LookupWriter:
    """Collects the keys of entries."""

    def __init__(self) -> None:
        self._keys: list[NDArray[np.uint64]] = []

    def add(self, keys: Sequence[str]) -> None:
        """Add the keys of the next entry."""
        self._keys.append(np.array([int(key, 16) for key in keys], dtype=np.uint64))

    def lookup(self) -> "Lookup":
        """The keys of all entries added."""
        entries = np.arange(len(self._keys), dtype=np.uint64)
        keys = np.concatenate([np.empty(0, dtype=np.uint64), *self._keys])
        return Lookup.sorted(keys, np.repeat(entries, [len(held) for held in self._keys]))


class Lookup:
    """Keys, ascending, and the entry of each, (keys,) uint64."""

    def __init__(self, keys: NDArray[np.uint64], entries: NDArray[np.uint64]) -> None:
        self._keys, self._entries = keys, entries

    @classmethod
    def sorted(cls, keys: NDArray[np.uint64], entries: NDArray[np.uint64]) -> Self:
        """Of keys in any order."""
        order = np.argsort(keys, kind="stable")
        return cls(keys[order], entries[order])

    @classmethod
    def open(cls, directory: Path) -> Self:
        """Map lookup.npy. Raises IndexUnavailable where it is missing or damaged."""
        try:
            table = np.load(directory / LOOKUP, mmap_mode="r", allow_pickle=False)
            if table.dtype != np.uint64 or table.ndim != 2 or len(table) != 2:
                raise ValueError("it does not hold keys and entries")
        except (OSError, ValueError) as error:
            raise IndexUnavailable(f"The release {directory.name} is damaged: its lookup: {error}") from error
        return cls(np.asarray(table[0]), np.asarray(table[1]))

    @classmethod
    def joined(cls, parts: Iterable[tuple["Lookup", NDArray[np.int64]]]) -> Self:
        """One lookup of several, each with the new numbers of its entries; a negative number leaves an entry out."""
        keys, entries = [np.empty(0, dtype=np.uint64)], [np.empty(0, dtype=np.int64)]
        for lookup, numbers in parts:
            renumbered = numbers[lookup._entries.astype(np.int64)]
            keys.append(lookup._keys[renumbered >= 0])
            entries.append(renumbered[renumbered >= 0])
        return cls.sorted(np.concatenate(keys), np.concatenate(entries).astype(np.uint64))

    def save(self, directory: Path) -> None:
        """Write lookup.npy."""
        np.save(directory / LOOKUP, np.stack([self._keys, self._entries]))

    def numbers(self, keys: Iterable[str]) -> dict[str, list[int]]:
        """The entries that have each of the keys; only keys that an entry has."""
        names = list(keys)
        wanted = np.array([int(key, 16) for key in names], dtype=np.uint64)
        starts = self._keys.searchsorted(wanted)
        known = (starts < len(self._keys)).nonzero()[0]
        known = known[self._keys[starts[known]] == wanted[known]]
        ends = self._keys.searchsorted(wanted[known], "right")
        spans = zip(known.tolist(), starts[known].tolist(), ends.tolist(), strict=True)
        return {names[i]: self._entries[start:end].tolist() for i, start, end in spans}

    def find(self, wanted: QuestionKeys) -> dict[int, Match]:
        """Every entry that has any of the keys, by its number, and how it matches."""
        keys_by_entry: dict[int, set[str]] = {}
        for key, entries in self.numbers([*wanted.phrasings, *wanted.negative, *wanted.identifiers]).items():
            for entry in entries:
                keys_by_entry.setdefault(entry, set()).add(key)
        return {entry: match_of(wanted, held) for entry, held in keys_by_entry.items()}


def _phrasing_keys(phrasing: str) -> list[str]:
    text = normalize(phrasing)
    if not text:
        return []
    folded = fold_accents(text)
    return [_key("=", text)] if folded == text else [_key("=", text), _key("~", folded)]


def _key(kind: str, text: str) -> str:
    return blake2b(f"{kind}{text}".encode(), digest_size=8).hexdigest()
