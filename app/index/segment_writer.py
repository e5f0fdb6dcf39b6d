"""Writes the files of a publish; see `index.segment`."""

import json
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from app.index import scan
from app.index.array_files import save_arrays
from app.index.candidates import Candidate
from app.index.cells import write_cells
from app.index.document_words import DocumentWords, Frequencies
from app.index.hits import answer_keys
from app.index.lookup import LookupWriter, id_key, keys_of
from app.index.metadata import MetadataWriter
from app.index.payload_file import PayloadFileWriter
from app.index.postings import Postings
from app.index.protocol import IndexRecord
from app.index.segment import ANSWERS, DIGESTS
from app.index.vector_file import VectorFileWriter, map_vectors
from app.index.words import WordTokenizer, text_of


def write_segment(directory: Path, record: IndexRecord, batches: Iterable[list[Candidate]]) -> None:
    """Write all files of a publish into an empty directory. Raises OSError where the disk is full."""
    tokenizer = WordTokenizer(record.language, record.average_length)
    vectors, lookup, metadata = VectorFileWriter(directory), LookupWriter(), MetadataWriter()
    words, answers = [DocumentWords.of([])], [answer_keys([])]
    digests: dict[str, str] = {}
    with vectors, PayloadFileWriter(directory) as payloads:
        for batch in batches:
            vectors.add(batch)
            payloads.add(entry.payload for entry in batch)
            words.append(DocumentWords.of(tokenizer.document(text_of(entry.payload)) for entry in batch))
            answers.append(answer_keys(entry.payload for entry in batch))
            for entry in batch:
                lookup.add([*keys_of(entry.payload, record.common_identifiers or ()), id_key(entry.id)])
                metadata.add(entry.payload["metadata"])
                digests[entry.id] = entry.digest
    metadata.metadata().save(directory)
    save_arrays(directory / ANSWERS, keys=np.concatenate(answers))
    _write_words(directory, DocumentWords.joined(words))
    if len(vectors) > scan.LIMIT:
        rows, bounds = map_vectors(directory, record.dimension)
        write_cells(directory, rows, bounds)
    lookup.lookup().save(directory)
    (directory / DIGESTS).write_text(json.dumps(digests))


def _write_words(directory: Path, documents: DocumentWords) -> None:
    frequencies = Frequencies.of(documents)
    frequencies.save(directory)
    Postings.of(documents, frequencies).save(directory)
