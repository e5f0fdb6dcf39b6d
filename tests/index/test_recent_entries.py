"""Entries that were read lately stay in memory, within a bound."""

import numpy as np

from app.index.candidates import Candidate
from app.index.recent_entries import RecentEntries

NONE = np.empty((0, 4), dtype=np.float32)


def entry(number: int, size: int = 1) -> Candidate:
    return Candidate(f"e{number}", {"size": size}, NONE, NONE, NONE)


def test_what_is_read_stays_and_what_is_not_read_goes() -> None:
    recent = RecentEntries(lambda entry: int(entry.payload["size"]), limit=10)
    recent.add((number, entry(number)) for number in range(5))
    for number in range(5, 25):
        assert recent.of([2]) == {2: entry(2)}
        recent.add([(number, entry(number))])
    held = recent.of(range(25))
    assert {2, 24} <= held.keys()
    assert len(held) <= 10
    assert not held.keys() & {0, 1, 3, 4, 5}


def test_an_entry_that_is_larger_than_a_generation_is_not_kept() -> None:
    recent = RecentEntries(lambda entry: int(entry.payload["size"]), limit=10)
    recent.add([(1, entry(1)), (2, entry(2, size=6))])
    assert recent.of([1, 2]) == {1: entry(1)}
