"""The payloads of a release: what was written comes back, from a file that is mapped and from one that is read."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from app.errors import IndexUnavailable
from app.index import payload_file
from app.index.payload_file import LINES, PAYLOADS, PayloadFile, PayloadFileWriter

VALUES: list[Any] = ['é\u2028\n"\\\x00', "", 1, 1.0, -0.0, 2**53 + 1, 1e22, True, None, ["a", 1, False]]
ENTRIES = [{"id": f"e{i}", "answer": "word " * i, "metadata": {"a.b": value}} for i, value in enumerate(VALUES)]


@pytest.fixture(params=["mapped", "read"])
def directory(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The files of `ENTRIES`, written in two batches."""
    if request.param == "read":
        monkeypatch.setattr(payload_file, "MAPPED_BYTES", 0)
    with PayloadFileWriter(tmp_path) as writer:
        writer.add(ENTRIES[:3])
        writer.add(ENTRIES[3:])
    return tmp_path


def test_payloads_come_back_as_they_were_in_the_order_asked(directory: Path) -> None:
    payloads = PayloadFile(directory, len(ENTRIES))
    for numbers in ([], [9], [3, 0, 3], range(len(ENTRIES))):
        assert repr(payloads.read(numbers)) == repr([ENTRIES[number] for number in numbers])
    first, second = payloads.read([1, 1])
    first["metadata"].clear()
    assert second == payloads.read([1])[0] == ENTRIES[1]


def test_threads_read_at_the_same_time(directory: Path) -> None:
    payloads = PayloadFile(directory, len(ENTRIES))
    with ThreadPoolExecutor(4) as threads:
        for read in threads.map(lambda _: payloads.read(range(len(ENTRIES))), range(100)):
            assert read == ENTRIES


def test_a_line_that_is_no_json_is_named_when_it_is_read(directory: Path) -> None:
    content = (directory / PAYLOADS).read_bytes()
    (directory / PAYLOADS).write_bytes(content.replace(b'"e4"', b'"e4~'))
    payloads = PayloadFile(directory, len(ENTRIES))
    assert payloads.read([3]) == [ENTRIES[3]]
    with pytest.raises(IndexUnavailable, match=f"The payloads of the release {directory.name} cannot be read"):
        payloads.read([3, 4])


@pytest.mark.parametrize("name", [PAYLOADS, LINES])
def test_a_file_that_was_cut_off_is_refused_when_it_is_opened(directory: Path, name: str) -> None:
    content = (directory / name).read_bytes()
    (directory / name).write_bytes(content[:-9])
    with pytest.raises(IndexUnavailable, match=f"The release {directory.name} is damaged: its payloads"):
        PayloadFile(directory, len(ENTRIES))


def test_another_number_of_entries_is_refused(directory: Path) -> None:
    with pytest.raises(IndexUnavailable, match="they do not fit together"):
        PayloadFile(directory, len(ENTRIES) - 1)


def test_a_release_without_entries_has_no_payloads(tmp_path: Path) -> None:
    with PayloadFileWriter(tmp_path):
        pass
    assert PayloadFile(tmp_path, 0).read([]) == []
