"""What the lookup costs: its file, its memory, and microseconds a question. Part of `benchmarks.own_questions`."""

import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from app.index.candidates import Question
from app.index.lookup import LOOKUP, Lookup, LookupWriter, keys_of, question_keys
from app.index.words import text_of
from app.text.identifiers import asked_identifiers, common_identifiers

PHRASINGS, ASKED = 6, 2_000
NOWHERE = np.zeros(1, dtype=np.float32)


def cost(entries: int) -> dict[str, float]:
    """Build the file for so many synthetic entries, open it, and look up questions that it holds and others."""
    payloads = [_payload(i) for i in range(entries)]
    started = time.perf_counter()
    common = common_identifiers(text_of(payload) for payload in payloads)
    counted = time.perf_counter() - started
    with tempfile.TemporaryDirectory() as directory:
        writer = LookupWriter()
        for payload in payloads:
            writer.add(keys_of(payload, common))
        writer.lookup().save(Path(directory))
        built = time.perf_counter() - started
        before = _resident_kb()
        lookup = Lookup.open(Path(directory))
        texts = [f"How do I renew item {i * 31 % (2 * entries)} of kind {i % PHRASINGS}?" for i in range(ASKED)]
        plain = _microseconds(lookup, texts)
        resident = _resident_kb() - before
        coded = _microseconds(lookup, [f"what does message L-{10_000 + i * 31 % entries} mean" for i in range(ASKED)])
        return {
            "entries": entries,
            "file_mb": round((Path(directory) / LOOKUP).stat().st_size / 2**20, 1),
            "resident_mb_after_2000_questions": round(resident / 1024, 1),
            "build_s": round(built, 2),
            "of_it_counting_identifiers_s": round(counted, 2),
            "question_us": plain,
            "question_with_identifier_us": coded,
        }


def _payload(i: int) -> dict[str, Any]:
    phrasings = [f"How do I renew item {i} of kind {n}?" for n in range(PHRASINGS)]
    answer = f"Open your account and choose renew. The display shows L-{10_000 + i}. " * 3
    return {"phrasings": phrasings, "negatives": [], "answer": answer}


def _microseconds(lookup: Lookup, texts: list[str]) -> float:
    """Identifiers, keys and search of one question: the median."""
    times = []
    for text in texts:
        started = time.perf_counter()
        lookup.find(question_keys(Question(text, NOWHERE, asked_identifiers(text))))
        times.append(time.perf_counter() - started)
    return round(float(np.median(times)) * 1e6, 1)


def _resident_kb() -> int:
    status = Path("/proc/self/status").read_text(encoding="ascii")
    return next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmRSS"))
