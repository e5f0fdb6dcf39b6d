"""Checksums of the files of an index: what was built is whole, whatever lies beside it for a moment."""

from collections.abc import Callable
from pathlib import Path

import pytest

from app.errors import IndexUnavailable
from app.index import checksums


@pytest.fixture
def built(tmp_path: Path) -> Path:
    (tmp_path / "postings").mkdir()
    (tmp_path / "postings" / "words.npy").write_bytes(b"words")
    (tmp_path / "vectors.f32").write_bytes(bytes(64))
    checksums.write(tmp_path)
    return tmp_path


def test_files_that_were_not_built_are_no_damage(built: Path) -> None:
    (built / "postings" / "lost+found").mkdir()
    (built / "postings" / "words.npy.bak").write_bytes(b"{}")
    checksums.check(built)
    assert checksums.check_names(built) == 64 + 5


def test_a_file_that_changed_is_named(built: Path) -> None:
    (built / "postings" / "words.npy").write_bytes(b"Words")
    with pytest.raises(IndexUnavailable, match=r"postings/words\.npy is not what was built"):
        checksums.check(built)


@pytest.mark.parametrize("compared", [checksums.check, checksums.check_names])
def test_a_file_that_is_missing_is_named(built: Path, compared: Callable[[Path], object]) -> None:
    (built / "vectors.f32").unlink()
    with pytest.raises(IndexUnavailable, match=r"vectors\.f32 is not what was built"):
        compared(built)


def test_an_index_without_checksums_is_refused(built: Path) -> None:
    (built / "sums.json").unlink()
    with pytest.raises(IndexUnavailable, match=r"is damaged: .*sums\.json"):
        checksums.check(built)
