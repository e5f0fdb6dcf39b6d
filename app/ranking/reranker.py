"""The reranker: a cross-encoder that scores a question and a text together, with ONNX Runtime, without torch.

It costs more than comparing vectors, so it scores only the best candidates. Each thread needs its own.
"""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from tokenizers import Encoding as Tokens
from tokenizers import Tokenizer

from app.encoding.bundle import RERANKER, TOKENIZER, Bundle, Reranking
from app.encoding.session import open_graph
from app.errors import BundleError
from app.index.words import answer_of

BATCH = 8  # pairs of similar length; larger batches would have more padding
CANDIDATES = 20  # that it scores; the weight of its score is fitted on as many

Feed = dict[str, NDArray[np.int64]]
Scores = NDArray[np.float32]


class PairTokenizer:
    """Pairs of question and text to token ids, such as `[CLS] question [SEP] text [SEP]`, as the tokenizer joins them.

    A pair that is too long loses the end of its text; a question is truncated to half of the space.
    """

    def __init__(self, tokenizer: Tokenizer, max_tokens: int) -> None:
        """Switches off the padding and truncation of `tokenizer`; the caller must not use it any more."""
        tokenizer.no_padding()
        tokenizer.no_truncation()
        self._tokenizer = tokenizer
        self._room = max_tokens - tokenizer.num_special_tokens_to_add(True)

    def tokenize(self, question: str, texts: Sequence[str]) -> list[Tokens]:
        """The tokens of the question with each of the texts."""
        first = self._tokenizer.encode(question, add_special_tokens=False)
        first.truncate(self._room // 2)
        seconds = self._tokenizer.encode_batch(list(texts), add_special_tokens=False)
        for second in seconds:
            second.truncate(self._room - len(first.ids))
        return [self._tokenizer.post_process(first, second) for second in seconds]


def padded(tokens: Sequence[Tokens]) -> Feed:
    """`input_ids`, `attention_mask` and `token_type_ids`, all (pairs, width of the longest) int64."""
    shape = len(tokens), max(len(pair.ids) for pair in tokens)
    ids, mask, types = (np.zeros(shape, dtype=np.int64) for _ in range(3))
    for row, pair in enumerate(tokens):
        length = len(pair.ids)
        ids[row, :length], types[row, :length], mask[row, :length] = pair.ids, pair.type_ids, 1
    return {"input_ids": ids, "attention_mask": mask, "token_type_ids": types}


def candidate_text(question: str, answer: str, with_question: bool) -> str:
    """The text of an entry that is scored: its answer, after its question where wanted and where it has one."""
    return f"{question}\n{answer}" if with_question and question else answer


class Reranker:
    """The bundle's cross-encoder and its tokenizer, for one thread."""

    def __init__(self, graph: Path, tokenizer: Path, settings: Reranking, *, threads: int = 0) -> None:
        """Load both files; `threads` of 0 takes all cores. Raises BundleError if they cannot be run."""
        self.settings = settings
        try:
            self.session = open_graph(graph, threads)
            self._tokenizer = PairTokenizer(Tokenizer.from_file(str(tokenizer)), settings.max_tokens)
        except Exception as error:  # both libraries raise types that derive from Exception only
            raise BundleError(f"{graph} cannot be run: {error}") from error

    @classmethod
    def of(cls, bundle: Bundle, *, threads: int = 0) -> Self:
        """The reranker of a bundle. Raises BundleError if the bundle has none or its graph cannot be run."""
        if bundle.manifest.reranker is None:
            raise BundleError(f"{bundle.directory} has no reranker; `python -m trainer fit --reranker` makes one.")
        paths = bundle.directory / RERANKER, bundle.directory / TOKENIZER
        return cls(*paths, bundle.manifest.reranker, threads=threads)

    def texts(self, payloads: Iterable[Mapping[str, Any]]) -> list[str]:
        """The text to score of each entry, from the payloads."""
        return [
            candidate_text(payload["question"], answer_of(payload), self.settings.with_question) for payload in payloads
        ]

    def scores(self, question: str, texts: Sequence[str]) -> Scores:
        """A score for each text, (texts,) float32; higher is better. Only scores of one question are comparable.

        The score of a text does not depend on the other texts.
        """
        scores = np.empty(len(texts), dtype=np.float32)
        tokens = self._tokenizer.tokenize(question, texts)
        by_length = sorted(range(len(texts)), key=lambda i: len(tokens[i].ids))
        for start in range(0, len(by_length), BATCH):
            chosen = by_length[start : start + BATCH]
            scores[chosen] = self.session.run(["logits"], padded([tokens[i] for i in chosen]))[0]
        return scores
