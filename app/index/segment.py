"""The files of a publish, in its directory, which its increments share. They are opened once, however many releases of
a process use them.

vectors.f32, rows.npy  the vectors again, for scans and ranking; see index.vector_file
postings.npz           the words of the entries, where the index is small enough to scan; see index.postings
frequencies.npz        in how many entries each word occurs; see index.document_words
lookup.npy             hashes of phrasings, negatives, identifiers and ids; see index.lookup
digests.json           the digest of each entry by its id, in the order of the entries
shard/                 the engine's files; see index.shard
"""

import json
from collections.abc import Collection, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import cached_property
from pathlib import Path
from threading import Lock
from typing import cast

import qdrant_edge as edge
from cachetools import LRUCache

from app.errors import IndexUnavailable
from app.index import checksums, scan
from app.index.candidates import Candidate
from app.index.document_words import DocumentWords, Frequencies
from app.index.lookup import Lookup, LookupWriter, id_key, keys_of
from app.index.memory import memory_bytes
from app.index.postings import POSTINGS, Postings
from app.index.protocol import IndexRecord, own_payload, stored_payload
from app.index.scan import BLOCK, Part
from app.index.shard import BUILD_BYTES, Shard, ShardWriter, check_space, point
from app.index.vector_file import VectorFile, VectorFileWriter
from app.index.words import Sparse, WordTokenizer, text_of
from app.threads import named

DIGESTS = "digests.json"
OPEN_BYTES = 2 * 2**20  # free disk space that opening an index needs
CACHE_BYTES = 32 * 2**20  # of entries read last, without their vectors, which are memory-mapped


class Segment:
    """The entries of a publish, numbered from 0. Several threads may read them.

    What waits for the engine has a thread of its own, so that it does not hold up the event loop.
    """

    def __init__(self, directory: Path, record: IndexRecord) -> None:
        """Raises IndexUnavailable where a file is damaged or missing."""
        check_space(directory, OPEN_BYTES)
        checksums.check(directory)
        self.record = record
        self._directory = directory
        self._vectors = VectorFile(directory, record.entries, record.dimension)
        self.lookup = None if record.common_identifiers is None else Lookup.open(directory)
        self.part: Part | None = None  # None where there are too many vectors to scan
        if (directory / POSTINGS).exists():
            self.part = Part(
                self._vectors.bounds, self._vectors.blocks(BLOCK), Postings.open(directory, record.entries)
            )
        self._cache: LRUCache[int, Candidate] = LRUCache(
            CACHE_BYTES, getsizeof=lambda entry: memory_bytes(entry.payload)
        )
        self._cache_lock = Lock()
        self.shard = Shard(directory)
        self.thread = ThreadPoolExecutor(1, thread_name_prefix="index", initializer=named("index"))

    def close(self) -> None:
        """Close the files, after the running call."""
        self.thread.shutdown(wait=True)
        self.shard.close()

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

    def read(self, numbers: Sequence[int]) -> dict[int, Candidate]:
        """Entries by their numbers, in the order of `numbers`, from the cache or the engine."""
        with self._cache_lock:
            entries = {number: entry for number in numbers if (entry := self._cache.get(number))}
        missing = [number for number in numbers if number not in entries]
        read = {
            number: Candidate(payload["id"], own_payload(payload), *self._vectors.read(number))
            for number, payload in self.shard.payloads(missing)
        }
        with self._cache_lock:
            for number, entry in read.items():
                with suppress(ValueError):  # an entry larger than the whole cache
                    self._cache[number] = entry
        entries |= read
        return {number: entries[number] for number in numbers if number in entries}


def write_segment(directory: Path, record: IndexRecord, batches: Iterable[list[Candidate]]) -> None:
    """Write all files of a publish into an empty directory. Raises IndexUnavailable where the disk is full."""
    tokenizer = WordTokenizer(record.language, record.average_length)
    vectors, lookup = VectorFileWriter(directory), LookupWriter()
    documents: list[Sparse] = []
    digests: dict[str, str] = {}
    with vectors, ShardWriter(directory, record) as shard:
        for batch in batches:
            size = sum(entry.answer.nbytes + entry.questions.nbytes + entry.negatives.nbytes for entry in batch)
            check_space(directory, BUILD_BYTES + 5 * size)
            vectors.add(batch)
            words = [tokenizer.document(text_of(entry.payload)) for entry in batch]
            numbered = enumerate(zip(batch, words, strict=True), start=len(documents))
            shard.add([point(number, entry, of, stored_payload(entry)) for number, (entry, of) in numbered])
            for entry in batch:
                lookup.add([*keys_of(entry.payload, record.common_identifiers or ()), id_key(entry.id)])
                digests[entry.id] = entry.digest
            documents += words
        shard.finish(graph=len(vectors) > scan.LIMIT)
    _write_words(directory, DocumentWords.of(documents), scanned=0 < len(vectors) <= scan.LIMIT)
    if record.common_identifiers is not None:
        lookup.lookup().save(directory)
        (directory / DIGESTS).write_text(json.dumps(digests))


def _write_words(directory: Path, documents: DocumentWords, *, scanned: bool) -> None:
    frequencies = Frequencies.of(documents)
    frequencies.save(directory)
    if scanned:
        Postings.of(documents, frequencies).save(directory)
