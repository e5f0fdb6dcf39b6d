"""Words rather than meaning: BM25, in the language of the FAQ.

Cutting into words, stop words, stemming and hashing are the Qdrant engine's own. The index multiplies inverse document
frequencies in when it is asked; `Lexicon` knows the same from texts, for what no index holds: an entry without one of
its phrasings.

BM25: "The Probabilistic Relevance Framework: BM25 and Beyond" (Robertson & Zaragoza 2009), k1 = 1.2, b = 0.75.
"""

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import qdrant_edge as edge

from app.errors import SettingsError

PLAIN = "none"  # words as they are: no stemming, no stop words
CODES = {
    "ar": "arabic", "da": "danish", "de": "german", "el": "greek", "en": "english", "es": "spanish", "fi": "finnish",
    "fr": "french", "hu": "hungarian", "it": "italian", "ja": "japanese", "nl": "dutch", "no": "norwegian",
    "pt": "portuguese", "ro": "romanian", "ru": "russian", "sv": "swedish", "tr": "turkish", "zh": "chinese",
}  # fmt: skip
UNSPACED = ("chinese", "japanese")  # words are not told apart by spaces


class Sparse(NamedTuple):
    """A sparse vector: the hashes of words, and a weight for each."""

    indices: list[int]
    values: list[float]


class Analyser:
    """Texts to sparse vectors."""

    def __init__(self, language: str, average_length: float = 64) -> None:
        """`average_length` of a document, in words. Raises SettingsError for a language that there is nothing for."""
        name = CODES.get(language.lower(), language.lower())
        tokenizer = edge.TokenizerType.Multilingual if name in UNSPACED else edge.TokenizerType.Word
        options: dict[str, Any] = {"language": name}
        if name == PLAIN:
            options = {"stemmer": edge.DisabledStemmer(), "stopwords": edge.StopwordsSet()}
        try:
            config = edge.Bm25Config(avg_len=max(1.0, average_length), tokenizer=tokenizer, **options)
            self._model = edge.Bm25(config)
        except ValueError:
            known = ", ".join(sorted({one.__repr__().split(".")[-1].lower() for one in _languages()}))
            raise SettingsError(
                f"FAQ_LANGUAGE={language} is none of {known}. `{PLAIN}` takes words of any language as they are."
            ) from None

    def document(self, text: str) -> Sparse:
        """An entry's text: how often each word stands in it, saturated, against its length."""
        return _sparse(self._model.embed_document(text))

    def question(self, text: str) -> Sparse:
        """A question: every word once."""
        return _sparse(self._model.embed_query(text))


class Lexicon:
    """How rare each word is among some entries, as the index has it."""

    def __init__(self, analyser: Analyser, texts: Sequence[str]) -> None:
        self._analyser = analyser
        self._texts = len(texts)
        self._counts = Counter(word for text in texts for word in analyser.document(text).indices)

    def score(self, question: str, text: str) -> float:
        """BM25 of a text for a question."""
        words = dict(zip(*self._analyser.document(text), strict=True))
        asked = self._analyser.question(question).indices
        return sum(words[word] * rarity(self._texts, self._counts[word]) for word in asked if word in words)


def rarity(texts: int, count: int) -> float:
    """The inverse document frequency of a word that stands in `count` of so many texts."""
    return math.log((texts - count + 0.5) / (count + 0.5) + 1)


def answer_of(payload: Mapping[str, Any]) -> str:
    """The answer that an entry is ranked by: without markup, where the answer has any."""
    return str(payload.get("plain_answer", payload["answer"]))


def text_of(payload: Mapping[str, Any]) -> str:
    """What of an entry is looked through for words: its phrasings and its answer without markup."""
    return "\n".join((*payload["phrasings"], answer_of(payload)))


def average_length(texts: Iterable[str]) -> float:
    """The mean number of words of some texts, roughly; at least 1."""
    lengths = [len(text.split()) for text in texts]
    return max(1.0, round(sum(lengths) / max(1, len(lengths)), 1))


def _languages() -> list[Any]:
    return [getattr(edge.Language, name) for name in dir(edge.Language) if name[0].isupper()]


def _sparse(vector: edge.SparseVector) -> Sparse:
    """In the order of the hashes, so that what is summed over them is the same in every process."""
    words = sorted(zip(vector.indices, vector.values, strict=True))
    return Sparse([word for word, _ in words], [value for _, value in words])
