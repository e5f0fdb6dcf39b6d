"""BM25 of a cell's questions against all entries asked: of all that an entry says, of its phrasings, of its answer."""

from collections import defaultdict
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from app.index.words import WordTokenizer, average_length, idf
from app.knowledge.entry import Entry
from app.text.normalize import normalize
from benchmarks.generalize.features import Questions
from benchmarks.generalize.sets import Faq

LANGUAGE = "english"
Floats = NDArray[np.float32]


class Words:
    """Postings of some texts, one an entry."""

    def __init__(self, texts: Sequence[str]) -> None:
        self.tokenizer = WordTokenizer(LANGUAGE, average_length(texts))
        self.size = len(texts)
        self.postings: dict[int, tuple[list[int], list[float]]] = defaultdict(lambda: ([], []))
        for i, text in enumerate(texts):
            for word, value in zip(*self.tokenizer.document(text), strict=True):
                self.postings[word][0].append(i)
                self.postings[word][1].append(value)

    def idf(self, word: int) -> float:
        """The inverse document frequency of a word."""
        return idf(self.size, len(self.postings[word][0]) if word in self.postings else 0)

    def row(self, question: str) -> Floats:
        """BM25 of every entry, (entries,)."""
        scores = np.zeros(self.size, dtype=np.float32)
        for word in self.tokenizer.question(question).indices:
            if word in self.postings:
                places, values = self.postings[word]
                scores[places] += np.array(values, dtype=np.float32) * self.idf(word)
        return scores

    def score(self, question: str, text: str) -> float:
        """BM25 of one text, by the statistics of these."""
        words = dict(zip(*self.tokenizer.document(text), strict=True))
        return sum(words[word] * self.idf(word) for word in self.tokenizer.question(question).indices if word in words)


def words_of(faq: Faq, questions: Questions) -> NDArray[np.float16]:
    """(3, questions, entries): by all texts, by phrasings, by answers; a held-out text is no phrasing of its entry."""
    real, held = questions.real, questions.heldout
    every = range(len(questions.texts))
    served = _matrix(faq.served, [questions.texts[i] for i in every if i < real or i >= real + held])
    trained = _heldout(faq.trained, questions, range(real, real + held))
    width = max(served.shape[2], trained.shape[2])
    found = np.zeros((3, len(questions.texts), width), dtype=np.float16)
    outside = [i for i in every if i < real or i >= real + held]
    found[:, outside, : served.shape[2]] = served
    found[:, real : real + held, : trained.shape[2]] = trained
    return found


def _texts(entries: Sequence[Entry]) -> tuple[list[str], list[str], list[str]]:
    phrasings = ["\n".join(entry.phrasings) for entry in entries]
    answers = [entry.answer for entry in entries]
    return ["\n".join((*entry.phrasings, entry.answer)) for entry in entries], phrasings, answers


def _matrix(entries: Sequence[Entry], asked: Sequence[str]) -> Floats:
    kinds = [Words(texts) for texts in _texts(entries)]
    return np.array([[kind.row(text) for text in asked] for kind in kinds], dtype=np.float32)


def _heldout(entries: Sequence[Entry], questions: Questions, numbers: range) -> Floats:
    asked = [questions.texts[i] for i in numbers]
    found = _matrix(entries, asked) if asked else np.zeros((3, 0, len(entries)), dtype=np.float32)
    kinds = [Words(texts) for texts in _texts(entries)]
    for row, i in enumerate(numbers):
        for own in questions.right[i]:
            entry = entries[own]
            rest = [text for text in entry.phrasings if normalize(text) != normalize(questions.texts[i])]
            if not rest:
                found[0, row], found[1, row] = found[2, row], 0
                break
            found[0, row, own] = kinds[0].score(questions.texts[i], "\n".join((*rest, entry.answer)))
            found[1, row, own] = kinds[1].score(questions.texts[i], "\n".join(rest))
    return found
