"""The files of a publish, in its directory, which its increments share. They are opened once, however many releases of
a process use them.

vectors.f32, rows.npy  the vectors; see index.vector_file
cells/                 the vectors in 8 bits, where they are too many to compare all; see index.cells
postings/              the words of the entries; see index.postings
frequencies.npz        in how many entries each word occurs; see index.document_words
metadata/              the metadata of the entries, for filters; see index.metadata
lookup.npy             hashes of phrasings, negatives, identifiers and ids; see index.lookup
digests.json           the digest of each entry by its id, in the order of the entries
shard/                 the payloads; see index.shard
"""

import json
from collections.abc import Collection, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from pathlib import Path
from threading import Lock
from typing import Any, cast

import qdrant_edge as edge

from app.arrays import Vectors
from app.errors import IndexUnavailable
from app.index import checksums
from app.index.candidates import Candidate
from app.index.cells import CELLS, Cells
from app.index.document_words import DocumentWords, Frequencies
from app.index.lookup import Lookup, id_key
from app.index.memory import memory_bytes
from app.index.metadata import METADATA, Metadata, MetadataWriter
from app.index.nearest import Part
from app.index.nearness import Near
from app.index.packed import BLOCK, Packed
from app.index.postings import EARLIER, POSTINGS, Postings
from app.index.protocol import IndexRecord, own_payload
from app.index.recent_entries import RecentEntries
from app.index.scan import Searched
from app.index.shard import Shard, check_space
from app.index.vector_file import VectorFile
from app.index.words import WordTokenizer, text_of
from app.threads import named

DIGESTS = "digests.json"
OPEN_BYTES = 2 * 2**20  # free disk space that opening an index needs
PAGE = 1_000  # payloads that are read at a time


class Segment:
    """The entries of a publish, numbered from 0. Several threads may read them.

    What waits for the engine has a thread of its own, so that it does not hold up the event loop.
    """

    def __init__(self, directory: Path, record: IndexRecord) -> None:
        """Raises IndexUnavailable where a file is missing, or cannot be opened; see `verify`."""
        check_space(directory, OPEN_BYTES)
        self.record = record
        self._directory = directory
        self._verifying, self._verified = Lock(), False
        if checksums.check_names(directory) <= checksums.AT_ONCE_BYTES:
            self.verify()
        self._vectors = VectorFile(directory, record.entries, record.dimension)
        self.lookup = None if record.common_identifiers is None else Lookup.open(directory)
        self._recent = RecentEntries(_bytes_mapped if self._vectors.mapped else _bytes_read)  # no cycle: see `close`
        self.shard = Shard(directory)
        self.searched = Searched(self._part(), self._postings())
        self.thread = ThreadPoolExecutor(1, thread_name_prefix="index", initializer=named("index"))

    def close(self) -> None:
        """Close the files, after the running call. Its memory is free with the last reference, as no cycle has one."""
        self.thread.shutdown(wait=True)
        self.shard.close()

    def verify(self) -> None:
        """Compare all files with their checksums, once. Raises IndexUnavailable naming a file that is damaged.

        Opening does it where the files are small. Safe to share between threads.
        """
        with self._verifying:
            if not self._verified:
                checksums.check_beside_others(self._directory)
                self._verified = True

    def _part(self) -> Part:
        if (self._directory / CELLS).exists():
            return Cells(self._directory, self.record.entries)
        return Packed(self._vectors.bounds, self._vectors.blocks(BLOCK))

    def _postings(self) -> Postings:
        """The postings; made of the payloads where an earlier version built a publish too large to scan."""
        if (self._directory / POSTINGS).exists() or (self._directory / EARLIER).exists():
            return Postings.open(self._directory, self.record.entries)
        tokenizer = WordTokenizer(self.record.language, self.record.average_length)
        pages = [DocumentWords.of(tokenizer.document(text_of(payload)) for payload in page) for page in self._pages()]
        words = DocumentWords.joined([DocumentWords.of([]), *pages])
        return Postings.of(words, Frequencies.of(words))

    @cached_property
    def metadata(self) -> Metadata:
        """The metadata of all entries; made of the payloads for a publish of an earlier version."""
        if (self._directory / METADATA).exists():
            return Metadata.open(self._directory, self.record.entries)
        writer = MetadataWriter()
        for page in self._pages():
            for payload in page:
                writer.add(payload["metadata"])
        return writer.metadata()

    def _pages(self) -> Iterator[list[dict[str, Any]]]:
        """All payloads, in order."""
        for start in range(0, self.record.entries, PAGE):
            page = dict(self.shard.payloads(range(start, min(start + PAGE, self.record.entries))))
            yield [page[number] for number in sorted(page)]

    @property
    def extensible(self) -> bool:
        """Whether it has the files that increments need; earlier versions did not write them."""
        return self.lookup is not None and (self._directory / DIGESTS).exists()

    @cached_property
    def frequencies(self) -> Frequencies:
        """Of the words in its entries. Raises IndexUnavailable for a segment that is not extensible."""
        return Frequencies.open(self._directory)

    def digests(self) -> dict[str, str]:
        """The digest of each entry by its id. Raises IndexUnavailable for a segment that is not extensible."""
        try:
            return cast(dict[str, str], json.loads((self._directory / DIGESTS).read_bytes()))
        except (OSError, ValueError) as error:
            raise IndexUnavailable(f"The release {self.record.name} is damaged: its digests: {error}") from error

    def numbers(self, ids: Collection[str]) -> list[int]:
        """The numbers of the entries of these ids. Raises IndexUnavailable for a segment that is not extensible."""
        if not self.extensible or self.lookup is None:
            raise IndexUnavailable(
                f"The release {self.record.name} was built by an earlier version, and has no list of its ids. Reindex."
            )
        held = self.lookup.numbers(id_key(entry_id) for entry_id in ids)
        entries = self.read(sorted({number for numbers in held.values() for number in numbers}))
        return [number for number, entry in entries.items() if entry.id in ids]

    def holds(self, entry_id: str) -> bool:
        """Whether an entry of this id is in it."""
        same = edge.Filter(must=[edge.FieldCondition("id", match=edge.MatchAny([entry_id]))])
        return self.shard.count(same) > 0

    def nearness(self, numbers: Sequence[int], question: Vectors) -> dict[int, Near]:
        """How near entries are to a question, by their numbers; of none where the vectors are not mapped.

        Then they are read with the entries.
        """
        if not numbers or not self._vectors.mapped:
            return {}
        return dict(zip(numbers, self._vectors.nearness(numbers, question), strict=True))

    def read(self, numbers: Sequence[int]) -> dict[int, Candidate]:
        """Entries by their numbers, in the order of `numbers`, from the cache or the engine."""
        entries = self._recent.of(numbers)
        if len(entries) == len(numbers):
            return entries
        missing = [number for number in numbers if number not in entries]
        read = {
            number: Candidate(payload["id"], own_payload(payload), *self._vectors.read(number))
            for number, payload in self.shard.payloads(missing)
        }
        self._recent.add(read.items())
        entries |= read
        return {number: entries[number] for number in numbers if number in entries}


def _bytes_mapped(entry: Candidate) -> int:
    return memory_bytes(entry.payload)


def _bytes_read(entry: Candidate) -> int:
    return memory_bytes(entry.payload) + sum(of_kind.nbytes for of_kind in entry[2:5])
