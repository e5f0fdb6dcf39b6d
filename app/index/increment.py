"""What one increment adds to its parent, replaces and removes: a few entries, in files of its own or only in memory.

changes.json           the parent; the digest of each entry by its id, in the order of the entries; the ids of removed
                       entries; the numbers of the base's entries that are replaced or removed
payloads.jsonl, lines.npy  the payloads; see index.payload_file
vectors.f32, rows.npy  the vectors; see index.vector_file
words.npz              the words; see index.document_words
lookup.npy             the keys; see index.lookup
"""

from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Self

from pydantic import BaseModel, ConfigDict, ValidationError

from app.errors import IndexUnavailable
from app.index import checksums
from app.index.candidates import Candidate
from app.index.document_words import DocumentWords
from app.index.lookup import Lookup, LookupWriter, id_key, keys_of
from app.index.payload_file import PayloadFile, PayloadFileWriter
from app.index.protocol import IndexRecord
from app.index.vector_file import VectorFile, VectorFileWriter
from app.index.words import WordTokenizer, text_of

CHANGES = "changes.json"


class Changes(BaseModel):
    """The content of changes.json."""

    model_config = ConfigDict(frozen=True)

    parent: str
    digests: dict[str, str]
    removed: list[str]
    hidden: list[int]


class Increment:
    """The changes and, in the order of `changes.digests`, the entries with their words and keys."""

    def __init__(self, changes: Changes, entries: Sequence[Candidate], words: DocumentWords, lookup: Lookup) -> None:
        self.changes, self.entries, self.words, self.lookup = changes, entries, words, lookup

    @classmethod
    def of(
        cls,
        record: IndexRecord,
        parent: str,
        entries: Sequence[Candidate],
        removed: Collection[str],
        hidden: Sequence[int],
    ) -> Self:
        """The increment that adds these entries to `parent`. `hidden`: numbers of the base's entries.

        `record`: of any release of the line; its language, average length and common identifiers are the base's.
        """
        tokenizer = WordTokenizer(record.language, record.average_length)
        words = DocumentWords.of(tokenizer.document(text_of(entry.payload)) for entry in entries)
        lookup = LookupWriter()
        for entry in entries:
            lookup.add([*keys_of(entry.payload, record.common_identifiers or ()), id_key(entry.id)])
        digests = {entry.id: entry.digest for entry in entries}
        changes = Changes(parent=parent, digests=digests, removed=sorted(removed), hidden=sorted(hidden))
        return cls(changes, entries, words, lookup.lookup())

    @classmethod
    def open(cls, directory: Path, dimension: int) -> Self:
        """Read the files. Raises IndexUnavailable where one is damaged or missing."""
        checksums.check(directory)
        try:
            changes = Changes.model_validate_json((directory / CHANGES).read_bytes())
        except (OSError, ValidationError) as error:
            raise IndexUnavailable(f"The release {directory.name} is damaged: its changes: {error}") from error
        payloads = PayloadFile(directory, len(changes.digests)).read(range(len(changes.digests)))
        vectors = VectorFile(directory, len(payloads), dimension)
        entries = [Candidate(payload["id"], payload, *vectors.read(i)) for i, payload in enumerate(payloads)]
        return cls(changes, entries, DocumentWords.open(directory), Lookup.open(directory))

    def save(self, directory: Path) -> None:
        """Write the files into an empty directory."""
        with VectorFileWriter(directory) as vectors, PayloadFileWriter(directory) as payloads:
            vectors.add(self.entries)
            payloads.add(entry.payload for entry in self.entries)
        (directory / CHANGES).write_text(self.changes.model_dump_json())
        self.words.save(directory)
        self.lookup.save(directory)

    def digests(self, before: dict[str, str]) -> dict[str, str]:
        """The digests of all entries after this increment. `before`: of its parent's."""
        removed = set(self.changes.removed)
        return {name: digest for name, digest in before.items() if name not in removed} | self.changes.digests
