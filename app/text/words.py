"""Words in the language of the FAQ, as the Qdrant engine tokenizes, drops stop words, stems and hashes them."""

from typing import Any

import qdrant_edge as edge

PLAIN = "none"  # the language without stemming and stop words
CODES = {
    "ar": "arabic", "da": "danish", "de": "german", "el": "greek", "en": "english", "es": "spanish", "fi": "finnish",
    "fr": "french", "hu": "hungarian", "it": "italian", "ja": "japanese", "nl": "dutch", "no": "norwegian",
    "pt": "portuguese", "ro": "romanian", "ru": "russian", "sv": "swedish", "tr": "turkish", "zh": "chinese",
}  # fmt: skip
UNSPACED = ("chinese", "japanese")  # no spaces between words


def word_model(language: str, average_length: float = 64) -> edge.Bm25:
    """The engine's tokenizer and BM25 weights. `average_length`: of a document, in words.

    Raises ValueError for an unknown language, naming the known ones.
    """
    name = CODES.get(language.lower(), language.lower())
    tokenizer = edge.TokenizerType.Multilingual if name in UNSPACED else edge.TokenizerType.Word
    options: dict[str, Any] = {"language": name}
    if name == PLAIN:
        options = {"stemmer": edge.DisabledStemmer(), "stopwords": edge.StopwordsSet()}
    try:
        return edge.Bm25(edge.Bm25Config(avg_len=max(1.0, average_length), tokenizer=tokenizer, **options))
    except ValueError:
        known = ", ".join(sorted({repr(known).split(".")[-1].lower() for known in _languages()}))
        raise ValueError(
            f"FAQ_LANGUAGE={language} is none of {known}. Use `{PLAIN}` for any other language: words are not stemmed."
        ) from None


def _languages() -> list[Any]:
    return [getattr(edge.Language, name) for name in dir(edge.Language) if name[0].isupper()]
