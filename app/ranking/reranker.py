"""Question and text together to one score, with ONNX Runtime and `tokenizers`; no torch.

A cross-encoder reads both texts at once: dearer than comparing vectors, so it is for the best few candidates only. Not
to be shared between threads.
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

BATCH = 8  # pairs of like length that are scored in one go; less padding than more would have
CANDIDATES = 20  # that the weight of its score is fitted on, and that it is meant for

Feed = dict[str, NDArray[np.int64]]
Scores = NDArray[np.float32]


class PairTokenizer:
    """Question and text to token ids: `[CLS] question [SEP] text [SEP]`, or what the tokenizer makes of a pair.

    What is too long loses the end of the text; of the question only what goes beyond half of the room.
    """

    def __init__(self, tokenizer: Tokenizer, max_tokens: int) -> None:
        """The tokenizer becomes the reader's own: its padding and truncation are switched off."""
        tokenizer.no_padding()
        tokenizer.no_truncation()
        self._tokenizer = tokenizer
        self._room = max_tokens - tokenizer.num_special_tokens_to_add(True)

    def tokenize(self, question: str, texts: Sequence[str]) -> list[Tokens]:
        """The question with each of the texts."""
        asked = self._tokenizer.encode(question, add_special_tokens=False)
        asked.truncate(self._room // 2)
        found = self._tokenizer.encode_batch(list(texts), add_special_tokens=False)
        for one in found:
            one.truncate(self._room - len(asked.ids))
        return [self._tokenizer.post_process(asked, one) for one in found]


def padded(tokens: Sequence[Tokens]) -> Feed:
    """`input_ids`, `attention_mask` and `token_type_ids`, all (pairs, width of the longest) int64."""
    shape = len(tokens), max(len(one.ids) for one in tokens)
    ids, mask, types = (np.zeros(shape, dtype=np.int64) for _ in range(3))
    for row, one in enumerate(tokens):
        length = len(one.ids)
        ids[row, :length], types[row, :length], mask[row, :length] = one.ids, one.type_ids, 1
    return {"input_ids": ids, "attention_mask": mask, "token_type_ids": types}


def candidate_text(question: str, answer: str, with_question: bool) -> str:
    """What is scored of an entry: its answer, its canonical question before it where wanted and there is one."""
    return f"{question}\n{answer}" if with_question and question else answer


class Reranker:
    """The bundle's cross-encoder and its tokenizer, for one thread."""

    def __init__(self, graph: Path, tokenizer: Path, settings: Reranking, *, threads: int = 0) -> None:
        """Load both files; `threads` of 0 takes all cores. Raises BundleError if they cannot be run."""
        self.settings = settings
        try:
            self.session = open_graph(graph, threads)
            self._tokenizer = PairTokenizer(Tokenizer.from_file(str(tokenizer)), settings.max_tokens)
        except Exception as error:  # both libraries raise bare types of their own
            raise BundleError(f"{graph} cannot be run: {error}") from error

    @classmethod
    def of(cls, bundle: Bundle, *, threads: int = 0) -> Self:
        """The bundle's. Raises BundleError if it has none or it cannot be run."""
        if bundle.manifest.reranker is None:
            raise BundleError(f"{bundle.directory} has no reranker; `python -m trainer fit --reranker` makes one.")
        paths = bundle.directory / RERANKER, bundle.directory / TOKENIZER
        return cls(*paths, bundle.manifest.reranker, threads=threads)

    def texts(self, payloads: Iterable[Mapping[str, Any]]) -> list[str]:
        """What it is to be given of some entries, by their payloads."""
        return [candidate_text(one["question"], answer_of(one), self.settings.with_question) for one in payloads]

    def scores(self, question: str, texts: Sequence[str]) -> Scores:
        """(texts,) float32: the more, the better the text answers; only differences for one question mean something.

        A text's score does not depend on the others.
        """
        found = np.empty(len(texts), dtype=np.float32)
        tokens = self._tokenizer.tokenize(question, texts)
        by_length = sorted(range(len(texts)), key=lambda i: len(tokens[i].ids))
        for start in range(0, len(by_length), BATCH):
            chosen = by_length[start : start + BATCH]
            found[chosen] = self.session.run(["logits"], padded([tokens[i] for i in chosen]))[0]
        return found
