"""The files of a publish, in its directory, which its increments share. They are opened once, however many releases of
a process use them.

vectors.f32, rows.npy  the vectors; see index.vector_file
cells/                 the vectors in 8 bits, where they are too many to compare all; see index.cells
answers/keys.npy       which entries have the same answer; see index.hits.answer_key
postings/              the words of the entries; see index.postings
frequencies.npz        in how many entries each word occurs; see index.document_words
metadata/              the metadata of the entries, for filters; see index.metadata
lookup.npy             hashes of phrasings, negatives, identifiers and ids; see index.lookup
payloads.jsonl, lines.npy  the payloads; see index.payload_file
digests.json           the digest of each entry by its id, in the order of the entries
"""

import json
from collections.abc import Collection, Sequence
from functools import cached_property
from pathlib import Path
from threading import Lock
from typing import Any, cast

from app.arrays import Integers, Vectors
from app.errors import IndexUnavailable
from app.index import checksums
from app.index.array_files import map_arrays
from app.index.candidates import Candidate
from app.index.cells import CELLS, Cells
from app.index.document_words import Frequencies
from app.index.lookup import Lookup, id_key
from app.index.metadata import Metadata
from app.index.nearest import Part
from app.index.nearness import Nearness
from app.index.packed import BLOCK, Packed
from app.index.payload_file import PayloadFile
from app.index.postings import Postings
from app.index.protocol import IndexRecord
from app.index.scan import Searched
from app.index.vector_file import VectorFile

DIGESTS, ANSWERS = "digests.json", "answers"


class Segment:
    """The entries of a publish, numbered from 0. Several threads may read them."""

    def __init__(self, directory: Path, record: IndexRecord) -> None:
        """Raises IndexUnavailable where a file is missing, or cannot be opened; see `verify`."""
        self.record = record
        self._directory = directory
        self._verifying, self._verified = Lock(), False
        if checksums.check_names(directory) <= checksums.AT_ONCE_BYTES:
            self.verify()
        self._vectors = VectorFile(directory, record.entries, record.dimension)
        self._payloads = PayloadFile(directory, record.entries)
        self.lookup = Lookup.open(directory)
        (self.answers,) = map_arrays(directory / ANSWERS, ("keys",))
        self.searched = Searched(self._part(), Postings.open(directory, record.entries))

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

    @cached_property
    def metadata(self) -> Metadata:
        """The metadata of all entries."""
        return Metadata.open(self._directory, self.record.entries)

    @cached_property
    def frequencies(self) -> Frequencies:
        """In how many entries each word occurs."""
        return Frequencies.open(self._directory)

    def digests(self) -> dict[str, str]:
        """The digest of each entry by its id. Raises IndexUnavailable where they cannot be read."""
        try:
            return cast(dict[str, str], json.loads((self._directory / DIGESTS).read_bytes()))
        except (OSError, ValueError) as error:
            raise IndexUnavailable(f"The release {self.record.name} is damaged: its digests: {error}") from error

    def payloads(self, numbers: Sequence[int]) -> list[dict[str, Any]]:
        """The payloads of entries, in the order of `numbers`, each a dictionary of its own.

        Raises IndexUnavailable where one cannot be read.
        """
        return self._payloads.read(numbers)

    def numbers(self, ids: Collection[str]) -> list[int]:
        """The numbers of the entries of these ids, ascending."""
        held = self.lookup.numbers(id_key(entry_id) for entry_id in ids)
        numbers = sorted({number for numbers in held.values() for number in numbers})
        payloads = zip(numbers, self.payloads(numbers), strict=True)  # two ids may have the same key
        return [number for number, payload in payloads if payload["id"] in ids]

    def holds(self, entry_id: str) -> bool:
        """Whether an entry of this id is in it."""
        return bool(self.numbers({entry_id}))

    def nearness(self, numbers: Integers, question: Vectors) -> Nearness:
        """How near entries are to a question, in the order of `numbers`."""
        return self._vectors.nearness(numbers, question)

    def read(self, numbers: Sequence[int]) -> list[Candidate]:
        """Entries with their vectors, in the order of `numbers`."""
        payloads = zip(numbers, self.payloads(numbers), strict=True)
        return [Candidate(payload["id"], payload, *self._vectors.read(number)) for number, payload in payloads]
