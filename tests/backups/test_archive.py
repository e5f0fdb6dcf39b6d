"""The file of a backup: whole or refused, with the name of what is damaged."""

import gzip
import os
import tarfile
from pathlib import Path

import pytest

from app.backups import archive
from app.backups.archive import About
from app.errors import InputError

ABOUT = About(id="1", created_at="2026-01-01T00:00:00+00:00", release=None, index=False, database=True)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """An archive of three files, one of them large, and an empty directory."""
    root = tmp_path / "root"
    (root / "models" / "0" / "empty").mkdir(parents=True)
    (root / "knowledge.db").write_bytes(b"entries of the FAQ")
    (root / "keys").write_text("digests")
    (root / "models" / "0" / "large").write_bytes(bytes(range(256)) * 1_000 + b"end")
    archive.write(tmp_path / "backup.tar.gz", ABOUT, root)
    return tmp_path / "backup.tar.gz"


def test_what_is_unpacked_is_what_was_packed(file: Path, tmp_path: Path) -> None:
    target = tmp_path / "target"
    assert archive.unpack(file, target) == archive.describe(file) == ABOUT
    before, after = (
        {path.relative_to(root): path.read_bytes() if path.is_file() else None for path in root.rglob("*")}
        for root in (tmp_path / "root", target)
    )
    assert after == before
    assert (target / "keys").stat().st_mode & 0o777 == 0o600
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []


def test_a_damaged_archive_is_refused_by_the_name_of_what_is_damaged(file: Path) -> None:
    content = gzip.decompress(file.read_bytes())
    file.write_bytes(gzip.compress(content.replace(b"entries of", b"entries 0f")))
    with pytest.raises(InputError, match=r"backup\.tar\.gz is damaged: knowledge\.db"):
        archive.unpack(file)


@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 0.9])
def test_an_archive_that_is_cut_off_is_refused(file: Path, share: float) -> None:
    os.truncate(file, int(file.stat().st_size * share))
    with pytest.raises(InputError, match=r"backup\.tar\.gz"):
        archive.unpack(file)


def test_a_file_that_no_backup_has_is_refused_and_not_written(file: Path, tmp_path: Path) -> None:
    (tmp_path / "evil").write_text("evil")
    for name in ("../evil", "/evil", "models/../../evil", "other/evil", "models/link"):
        with tarfile.open(file, "w:gz") as tar:
            tar.add(tmp_path / "evil", name)
        with pytest.raises(InputError):
            archive.unpack(file, tmp_path / "target" / "inner")
    assert not (tmp_path / "target" / "evil").exists()


def test_another_tar_and_another_file_are_refused(file: Path, tmp_path: Path) -> None:
    (tmp_path / "text").write_text("a text " * 1000)
    with tarfile.open(file, "w:gz") as tar:
        tar.add(tmp_path / "text", "text")
    for other in (file, tmp_path / "text"):
        with pytest.raises(InputError, match="no backup"):
            archive.unpack(other)
