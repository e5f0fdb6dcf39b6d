"""Checksums of the files of an index: what was built is whole, whatever lies beside it for a moment."""

from pathlib import Path

import pytest

from app.errors import IndexUnavailable
from app.index import checksums


@pytest.fixture
def built(tmp_path: Path) -> Path:
    (tmp_path / "shard").mkdir()
    (tmp_path / "shard" / "page.dat").write_bytes(b"entries")
    (tmp_path / "vectors.f32").write_bytes(bytes(64))
    checksums.write(tmp_path)
    return tmp_path


def test_files_of_another_process_that_opens_the_index_are_no_damage(built: Path) -> None:
    draft = built / "shard" / ".atomicwriteXWCeC4" / "tmpfile.tmp"
    draft.parent.mkdir()
    draft.write_bytes(b"{}")
    checksums.check(built)


def test_a_file_that_changed_is_named(built: Path) -> None:
    (built / "shard" / "page.dat").write_bytes(b"Entries")
    with pytest.raises(IndexUnavailable, match=r"shard/page\.dat is not what was built"):
        checksums.check(built)


def test_a_file_that_is_missing_is_named(built: Path) -> None:
    (built / "vectors.f32").unlink()
    with pytest.raises(IndexUnavailable, match=r"vectors\.f32 is not what was built"):
        checksums.check(built)
