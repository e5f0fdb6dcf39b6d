"""Whether a text is longer than the encoder reads."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from tokenizers import Tokenizer

from app.encoding.bundle import Encoding
from app.encoding.encoder import MAX_WINDOWS, WINDOW_OVERLAP
from app.errors import BundleError


class Lengths:
    """Counts tokens as the encoder of a bundle does. `of_question` and `of_answer` are its limits. For one thread."""

    def __init__(self, tokenizer: Path, encoding: Encoding) -> None:
        """`tokenizer`: the path of the bundle's. Raises BundleError if it cannot be loaded."""
        self._encoding = encoding
        try:
            self._tokenizer = Tokenizer.from_file(str(tokenizer))
        except Exception as error:  # the library raises types that derive from Exception only
            raise BundleError(f"{tokenizer} cannot be loaded: {error}") from error
        self._tokenizer.no_truncation()
        self._tokenizer.no_padding()
        window = self._encoding.max_tokens - self._tokenizer.num_special_tokens_to_add(False)
        overlap = min(WINDOW_OVERLAP, self._encoding.max_tokens // 4)
        self.of_question = window
        self.of_answer = window + (MAX_WINDOWS - 1) * (window - overlap)

    def beyond_question(self, text: str) -> int | None:
        """The number of tokens of a question that is too long, else None."""
        return self._beyond(self._encoding.question_prefix + text, self.of_question)

    def beyond_answer(self, text: str) -> int | None:
        """The number of tokens of an answer that is too long for all its windows, else None."""
        return self._beyond(self._encoding.answer_prefix + text, self.of_answer)

    def cut(self, question: str, lists: Mapping[str, Sequence[str]], answer: str) -> dict[str, int]:
        """The fields of an entry that the encoder does not read to their end, each with the number of tokens it reads.

        `lists`: further questions by the name of their field. `answer`: without markup.
        """
        questions = {"question": (question,), **lists}
        cut = {name: self.of_question for name, texts in questions.items() if any(map(self.beyond_question, texts))}
        return cut | ({"answer": self.of_answer} if self.beyond_answer(answer) else {})

    def _beyond(self, text: str, limit: int) -> int | None:
        if len(text.encode()) <= limit:  # a token has at least one byte
            return None
        tokens = len(self._tokenizer.encode(text, add_special_tokens=False).ids)
        return tokens if tokens > limit else None
