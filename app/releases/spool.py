"""The entries of a release on disk while it is built: read from the store once, then as often as needed.

A build reads its entries several times, and must see one state of the store. Held in memory, 100,000 entries take
hundreds of megabytes; a transaction that stays open for the whole build would end with its session.
"""

import json
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from app.index.filters import FieldKinds
from app.index.words import AverageLength, text_of
from app.knowledge.entry import Entry, revision_of_digests
from app.releases.payloads import payload_of, with_follow_ups
from app.text.identifiers import IdentifierCounts

_encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode


class Spool:
    """The payloads of entries, in a file without a name that ends with the `with` block, or with the process.

    Iterating gives the payloads in the order of the entries, each time from the beginning. One iteration at a time.
    """

    def __init__(self, entries: Iterable[Entry], directory: Path) -> None:
        """Read all entries. `directory`: where there is room for the file."""
        self._file = tempfile.TemporaryFile(dir=directory)  # noqa: SIM115 - `close` closes it
        self._fields, self._length, self._identifiers = FieldKinds(), AverageLength(), IdentifierCounts()
        self._followed: set[str] = set()  # the ids that entries have as follow-ups
        self._with_markup = False
        digests: list[str] = []
        try:
            for entry in entries:
                digests.append(entry.digest)
                self._write(entry, digests[-1])
        except BaseException:
            self.close()
            raise
        self._count, self.revision = len(digests), revision_of_digests(digests)
        self._questions = self._questions_of_followed()

    def __enter__(self) -> "Spool":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Delete the file."""
        self._file.close()

    def __len__(self) -> int:
        return self._count

    def __iter__(self) -> Iterator[dict[str, Any]]:
        return (payload for payload, _ in self.rows())

    def rows(self) -> Iterator[tuple[dict[str, Any], str]]:
        """Each payload with the digest of its entry."""
        for payload, follow_ups, digest in self._rows():
            yield with_follow_ups(payload, follow_ups, self._questions), digest

    @property
    def fields(self) -> dict[str, Any]:
        """As `fields_of` the payloads."""
        return self._fields.listed()

    @property
    def average_length(self) -> float:
        """As `average_length` of the entries' texts."""
        return self._length.mean

    @property
    def common_identifiers(self) -> list[str]:
        """As `common_identifiers` of the entries' texts."""
        return self._identifiers.common()

    @property
    def with_markup(self) -> bool:
        """Whether the answer of any entry has markup."""
        return self._with_markup

    def _write(self, entry: Entry, digest: str) -> None:
        payload = payload_of(entry)
        text = text_of(payload)
        self._fields.add(entry.metadata)
        self._length.add(text)
        self._identifiers.add(text)
        self._followed.update(entry.follow_ups)
        self._with_markup |= "plain_answer" in payload
        self._file.write(_encode([payload, entry.follow_ups, digest]).encode() + b"\n")

    def _rows(self) -> Iterator[tuple[dict[str, Any], list[str], str]]:
        self._file.seek(0)
        for line in self._file:
            payload, follow_ups, digest = json.loads(line)
            yield payload, follow_ups, digest

    def _questions_of_followed(self) -> dict[str, str]:
        if not self._followed:
            return {}
        rows = (payload for payload, *_ in self._rows())
        return {row["id"]: row["question"] for row in rows if row["question"] and row["id"] in self._followed}
