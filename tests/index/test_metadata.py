"""Inverted lists of metadata say of every entry what its payload says."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.errors import IndexUnavailable
from app.index.filters import AnyOf, Filter, Range, matches
from app.index.metadata import METADATA, Metadata, MetadataWriter

FIELDS = st.sampled_from(["a", "b", 'c"', ""])
SCALARS = st.one_of(
    st.booleans(), st.integers(-3, 3), st.sampled_from([0.5, -0.0, 1e300, 2**53 + 1]), st.sampled_from("ab1")
)
VALUES = st.one_of(SCALARS, st.lists(SCALARS, max_size=3))
BOUNDS = st.one_of(st.none(), st.integers(-3, 3), st.just(0.5))
RANGES = st.builds(Range, BOUNDS, BOUNDS)
CONDITIONS = st.one_of(RANGES, st.builds(AnyOf, st.lists(SCALARS, max_size=3).map(tuple)))


@given(st.lists(st.dictionaries(FIELDS, VALUES), max_size=8), st.dictionaries(FIELDS, CONDITIONS, max_size=2))
def test_tells_which_entries_meet_a_filter(entries: list[dict[str, object]], where: Filter) -> None:
    writer = MetadataWriter()
    for metadata in entries:
        writer.add(metadata)
    assert writer.metadata().meeting(where).tolist() == [matches(where, metadata) for metadata in entries]


def test_survives_its_files(tmp_path: Path) -> None:
    writer = MetadataWriter()
    for metadata in ({"a": ["x", "y"], "n": 1}, {}, {"a": "y", "n": [2.5, 7]}):
        writer.add(metadata)
    writer.metadata().save(tmp_path)
    opened = Metadata.open(tmp_path, 3)
    assert opened.meeting({"a": AnyOf(("y",)), "n": Range(gte=2)}).tolist() == [False, False, True]
    np.save(tmp_path / METADATA / "numbers.npy", np.array([None]), allow_pickle=True)
    with pytest.raises(IndexUnavailable, match="its metadata"):
        Metadata.open(tmp_path, 3)
