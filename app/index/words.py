"""BM25, in the language of the FAQ: tokenizing, and scores of texts that are in no index.

An index multiplies by the inverse document frequencies
when it is searched. `IdfStatistics` gives the same scores for texts outside an index, such as an entry without one of
its phrasings.

BM25: "The Probabilistic Relevance Framework: BM25 and Beyond" (Robertson & Zaragoza 2009), k1 = 1.2, b = 0.75.
"""

import math
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

import qdrant_edge as edge

from app.errors import SettingsError
from app.text.words import word_model


class Sparse(NamedTuple):
    """A sparse vector: the hashes of words, and a weight for each."""

    indices: list[int]
    values: list[float]


class WordTokenizer:
    """Texts to sparse vectors."""

    def __init__(self, language: str, average_length: float = 64) -> None:
        """`average_length`: of a document, in words. Raises SettingsError for an unknown language."""
        try:
            self._model = word_model(language, average_length)
        except ValueError as error:
            raise SettingsError(str(error)) from None

    def document(self, text: str) -> Sparse:
        """The words of an entry's text, each with its saturated frequency, normalised by the text's length."""
        return _sparse(self._model.embed_document(text))

    def question(self, text: str) -> Sparse:
        """The words of a question, each with the weight 1."""
        return _sparse(self._model.embed_query(text))


class IdfStatistics:
    """The document frequencies of words in the texts of entries, as an index counts them."""

    def __init__(self, tokenizer: WordTokenizer, texts: Iterable[str]) -> None:
        self._tokenizer = tokenizer
        self._texts = 0
        self._counts: Counter[int] = Counter()
        for text in texts:
            self._texts += 1
            self._counts.update(tokenizer.document(text).indices)

    def score(self, question: str, text: str) -> float:
        """The BM25 score of a text for a question."""
        weights = dict(zip(*self._tokenizer.document(text), strict=True))
        words = self._tokenizer.question(question).indices
        return sum(weights[word] * idf(self._texts, self._counts[word]) for word in words if word in weights)


def idf(texts: int, count: int) -> float:
    """The inverse document frequency of a word that occurs in `count` of `texts` texts."""
    return math.log((texts - count + 0.5) / (count + 0.5) + 1)


def answer_of(payload: Mapping[str, Any]) -> str:
    """The answer of an entry as it is ranked: without markup."""
    return str(payload.get("plain_answer", payload["answer"]))


def text_of(payload: Mapping[str, Any]) -> str:
    """The text of an entry that BM25 searches: its phrasings and its answer without markup."""
    return "\n".join((*payload["phrasings"], answer_of(payload)))


def average_length(texts: Iterable[str]) -> float:
    """The mean number of words of the texts, as spaces separate them; at least 1."""
    length = AverageLength()
    for text in texts:
        length.add(text)
    return length.mean


class AverageLength:
    """The mean number of words of texts that come one by one."""

    def __init__(self) -> None:
        self._words = self._texts = 0

    def add(self, text: str) -> None:
        """Count in one text."""
        self._words += len(text.split())
        self._texts += 1

    @property
    def mean(self) -> float:
        """As `average_length`."""
        return max(1.0, round(self._words / max(1, self._texts), 1))


def _sparse(vector: edge.SparseVector) -> Sparse:
    """In the order of the hashes, so that sums over them are the same in every process."""
    words = sorted(zip(vector.indices, vector.values, strict=True))
    return Sparse([word for word, _ in words], [value for _, value in words])
