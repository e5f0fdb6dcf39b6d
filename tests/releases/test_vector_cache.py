"""The cache of vectors: what is damaged in it is computed again, and a release is built whatever its file holds."""

import random
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

from app.arrays import Vectors
from app.encoding.bundle import Bundle
from app.encoding.encoder import Encoder
from app.releases.vector_cache import PAGE, CachedEncoder

TEXTS = [f"When will I get refund {number}?" for number in range(700)]


@pytest.fixture(scope="module")
def encoder(bundle: Bundle) -> Encoder:
    return Encoder(bundle)


@pytest.fixture(scope="module")
def expected(encoder: Encoder) -> list[Vectors]:
    return encoder.encode_documents(TEXTS)


@pytest.fixture
def path(tmp_path: Path, encoder: Encoder) -> Path:
    """A cache that holds all the texts' vectors."""
    path = tmp_path / "cache" / "bundle.db"
    answers(encoder, path)
    assert path.stat().st_size > 10 * PAGE
    return path


def answers(encoder: Encoder, path: Path) -> list[Vectors]:
    with CachedEncoder(encoder, path) as cached:
        return cached.encode_documents(TEXTS)


def same(first: Sequence[Vectors], second: Sequence[Vectors]) -> bool:
    return all(np.allclose(a, b, atol=1e-6) for a, b in zip(first, second, strict=True))


def rows(path: Path) -> int:
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        return int(connection.execute("SELECT count(*) FROM checked_vectors").fetchone()[0])


class NoEncoder(Encoder):
    """An encoder of which nothing may be asked."""

    def encode_documents(self, texts: Sequence[str]) -> list[Vectors]:
        raise AssertionError(f"{len(texts)} texts are encoded")


def test_what_is_kept_is_not_encoded(bundle: Bundle, expected: list[Vectors], path: Path) -> None:
    assert same(answers(NoEncoder(bundle), path), expected)
    assert rows(path) == len(TEXTS)


@pytest.mark.parametrize("seed", range(12))
def test_damage_anywhere_in_the_file_costs_only_time(
    encoder: Encoder, expected: list[Vectors], path: Path, seed: int
) -> None:
    """Pages are overwritten: that of the schema, of the tree, of the rows, or several of them."""
    chance = random.Random(seed)
    content = bytearray(path.read_bytes())
    pages = [0] if seed == 0 else chance.sample(range(len(content) // PAGE), k=1 + seed % 3)
    for page in pages:
        at = page * PAGE + chance.randrange(100)
        content[at : at + 2000] = chance.randbytes(2000)
    path.write_bytes(content)
    for _ in range(2):
        assert same(answers(encoder, path), expected)
    assert rows(path) == len(TEXTS)


@pytest.mark.parametrize("size", [0, 50, PAGE, 5 * PAGE + 7])
def test_a_file_that_was_cut_is_rebuilt(encoder: Encoder, expected: list[Vectors], path: Path, size: int) -> None:
    path.write_bytes(path.read_bytes()[:size])
    assert same(answers(encoder, path), expected)
    assert rows(path) == len(TEXTS)


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE checked_vectors SET vectors = zeroblob(length(vectors))",
        "UPDATE checked_vectors SET vectors = zeroblob(7)",
        "UPDATE checked_vectors SET vectors = 'text'",
        "UPDATE checked_vectors SET checksum = checksum + 1",
        "DROP TABLE checked_vectors",
        "ALTER TABLE checked_vectors DROP COLUMN checksum",
        "ALTER TABLE checked_vectors RENAME COLUMN vectors TO others",
    ],
)
def test_rows_that_are_not_what_was_put_there_are_computed_again(
    encoder: Encoder, bundle: Bundle, expected: list[Vectors], path: Path, change: str
) -> None:
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute(change)
    assert same(answers(encoder, path), expected)
    assert same(answers(NoEncoder(bundle), path), expected)


def test_damage_to_an_open_file_is_noticed(encoder: Encoder, expected: list[Vectors], path: Path) -> None:
    with CachedEncoder(encoder, path) as cached:
        path.write_bytes(random.Random(0).randbytes(path.stat().st_size))
        for _ in range(2):
            assert same(cached.encode_documents(TEXTS), expected)
        assert len(cached.encode_queries(["another"])) == 1


def test_a_cache_that_cannot_be_opened_is_not_used(encoder: Encoder, expected: list[Vectors], tmp_path: Path) -> None:
    path = tmp_path / "bundle.db"
    path.mkdir()
    assert same(answers(encoder, path), expected)


def test_a_cache_from_a_version_without_checksums_starts_empty(
    encoder: Encoder, expected: list[Vectors], tmp_path: Path
) -> None:
    path = tmp_path / "bundle.db"
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("CREATE TABLE vectors (key BLOB PRIMARY KEY, vectors BLOB NOT NULL) WITHOUT ROWID")
        connection.execute("INSERT INTO vectors VALUES (x'00', x'00')")
    assert same(answers(encoder, path), expected)
    assert rows(path) == len(TEXTS)
