"""Which texts an encoder does not read to their end."""

from pathlib import Path

from tokenizers import Tokenizer

from app.errors import BundleError
from app.retrieval.bundle import Encoding
from app.retrieval.encoder import MAX_WINDOWS, WINDOW_OVERLAP


class Lengths:
    """Counts tokens as a bundle's encoder does. For one thread."""

    def __init__(self, tokenizer: Path, encoding: Encoding) -> None:
        """Both are the bundle's. Raises BundleError if the tokenizer cannot be loaded."""
        self._encoding = encoding
        try:
            self._tokenizer = Tokenizer.from_file(str(tokenizer))
        except Exception as error:  # the library raises bare types of its own
            raise BundleError(f"{tokenizer} cannot be loaded: {error}") from error
        self._tokenizer.no_truncation()
        self._tokenizer.no_padding()
        window = self._encoding.max_tokens - self._tokenizer.num_special_tokens_to_add(False)
        overlap = min(WINDOW_OVERLAP, self._encoding.max_tokens // 4)
        self.of_question = window
        self.of_answer = window + (MAX_WINDOWS - 1) * (window - overlap)

    def beyond_question(self, text: str) -> int | None:
        """The tokens of a question that has more than are read, else None."""
        return self._beyond(self._encoding.question_prefix + text, self.of_question)

    def beyond_answer(self, text: str) -> int | None:
        """The tokens of an answer that has more than are read in all its windows, else None."""
        return self._beyond(self._encoding.answer_prefix + text, self.of_answer)

    def _beyond(self, text: str, limit: int) -> int | None:
        if len(text.encode()) <= limit:  # a token is a byte at the least
            return None
        tokens = len(self._tokenizer.encode(text, add_special_tokens=False).ids)
        return tokens if tokens > limit else None
