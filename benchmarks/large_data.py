"""A large FAQ for measurements: entries of six phrasings and an answer, and questions about them, without encoding all.

The 6,373 questions and answers of the cloud FAQ are encoded once with the packaged base model. A new entry lies between
a real one and one of its 20 nearest, with the same share for question and answer; to each of its vectors a share of the
difference of two real vectors is added. So the spectrum, the norms, the clusters and the similarity of answers to their
questions are those of real texts, and no two vectors are equal. The phrasings of an entry, and the questions about it,
differ by PARAPHRASE: two of them have a median cosine of 0.82.

Words are drawn from the vocabulary of the cloud FAQ by their frequency there, so that stop words, common and rare words
have real shares; a question repeats half the words of one phrasing.
"""

import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from app.arrays import Vectors
from app.encoding.encoder import Encoder
from app.index.candidates import Candidate, Question
from app.releases.base import base_bundle
from benchmarks.places import CLOUD_FAQ

PHRASINGS = 6
NEIGHBOURS = 20
SPREAD, PARAPHRASE = 0.35, 0.35  # share of a difference that is added, to a new entry and to a paraphrase
BATCH = 1_000
PHRASING_WORDS, ANSWER_WORDS = 10, 60
CATEGORIES = 200  # values of a field, of frequencies by Zipf's law


class Real(NamedTuple):
    """Questions and their answers, (n, dimension) each, and words, each with its share."""

    questions: Vectors
    answers: Vectors
    words: list[str]
    shares: NDArray[np.float64]


def real(work: Path) -> Real:
    """The encoded texts of the cloud FAQ; kept in `work`."""
    rows = [json.loads(line) for line in CLOUD_FAQ.read_text(encoding="utf-8").splitlines()]
    counts = Counter(word for row in rows for word in f"{row['question']} {row['answer']}".split() if word.isalpha())
    shares = np.array(list(counts.values()), dtype=np.float64)
    file = work / "real.npz"
    if not file.exists():
        work.mkdir(parents=True, exist_ok=True)
        questions, answers = ([row[key] for row in rows] for key in ("question", "answer"))
        encoder = Encoder(base_bundle(work / "models", questions))
        of_answers = np.concatenate([windows[:1] for windows in encoder.encode_documents(answers)])
        np.savez(file, questions=encoder.encode_queries(questions), answers=of_answers)
    with np.load(file) as kept:
        return Real(kept["questions"], kept["answers"], list(counts), shares / shares.sum())


class LargeFaq:
    """Entries, always the same for the same number of them."""

    def __init__(self, real: Real, entries: int) -> None:
        self.entries, self.dimension = entries, real.questions.shape[1]
        self._real = real
        self._random = np.random.default_rng(0)
        products = real.questions @ real.questions.T
        nearest = np.argpartition(-products, NEIGHBOURS, axis=1)[:, :NEIGHBOURS]
        self._first = self._random.integers(0, len(nearest), entries)
        self._second = nearest[self._first, self._random.integers(0, NEIGHBOURS, entries)]
        self._share = self._random.uniform(0, 1, (entries, 1)).astype(np.float32)
        self._points = self._moved(self._between(real.questions, slice(None)), SPREAD)
        self._told: dict[int, list[str]] = {}  # the first phrasing of each entry, word by word

    def _between(self, vectors: Vectors, entries: slice) -> Vectors:
        share = self._share[entries]
        mixed: Vectors = share * vectors[self._first[entries]] + (1 - share) * vectors[self._second[entries]]
        return mixed

    def _moved(self, points: Vectors, share: float) -> Vectors:
        """Each point, normalised, plus a share of the difference of two real questions; normalised."""
        first, second = self._random.integers(0, len(self._real.questions), (2, len(points)))
        return _unit(_unit(points) + share * (self._real.questions[first] - self._real.questions[second]))

    def vectors(self) -> Iterator[tuple[Vectors, Vectors]]:
        """The answers, (n, dimension), and the phrasings, (n, PHRASINGS, dimension), of BATCH entries at a time."""
        for start in range(0, self.entries, BATCH):
            of_batch = slice(start, start + BATCH)
            phrasings = self._moved(np.repeat(self._points[of_batch], PHRASINGS, axis=0), PARAPHRASE)
            answers = self._moved(self._between(self._real.answers, of_batch), SPREAD)
            yield answers, phrasings.reshape(len(answers), PHRASINGS, -1)

    def batches(self) -> Iterator[list[Candidate]]:
        """All entries. Call it once, before `questions`."""
        for answers, phrasings in self.vectors():
            yield [self._entry(*of_entry) for of_entry in zip(answers, phrasings, strict=True)]

    def _entry(self, answer: Vectors, phrasings: Vectors) -> Candidate:
        number = len(self._told)
        words = self._text(PHRASINGS * PHRASING_WORDS + ANSWER_WORDS)
        of_answer = words[PHRASINGS * PHRASING_WORDS :]
        texts = [" ".join(words[i * PHRASING_WORDS : (i + 1) * PHRASING_WORDS]) for i in range(PHRASINGS)]
        self._told[number] = words[:PHRASING_WORDS]
        category = min(int(self._random.zipf(1.3)), CATEGORIES)
        payload = {
            "id": f"e{number}",
            "question": texts[0],
            "phrasings": texts,
            "negatives": [],
            "answer": " ".join(of_answer),
            "metadata": {"category": f"c{category}", "lang": ("de", "en")[number % 4 > 0], "year": 2000 + number % 25},
        }
        return Candidate(f"e{number}", payload, answer[None], phrasings, phrasings[:0], digest=f"{number:016x}")

    def _text(self, words: int) -> list[str]:
        return [self._real.words[i] for i in self._random.choice(len(self._real.words), words, p=self._real.shares)]

    def questions(self, count: int) -> list[Question]:
        """Questions about entries, each a paraphrase."""
        about = self._random.integers(0, self.entries, count)
        vectors = self._moved(self._points[about], PARAPHRASE)
        texts = [" ".join([*self._told[i][::2], *self._text(PHRASING_WORDS // 2)]) for i in about.tolist()]
        return [Question(text, vector) for text, vector in zip(texts, vectors, strict=True)]


def _unit(vectors: Vectors) -> Vectors:
    normalised: Vectors = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)
    return normalised
