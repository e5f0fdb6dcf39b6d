"""The encoder: texts to vectors, with ONNX Runtime and `tokenizers`, without torch.

Questions and answers have methods of their own, because a bundle may encode them differently. Each thread has its own
encoder; they share the graphs and the tokenizer, which takes 7 MB.
"""

from collections.abc import Iterator, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from tokenizers import Encoding as Tokens
from tokenizers import Tokenizer

from app.arrays import Vectors
from app.encoding.bundle import ANSWERS, MODEL, TOKENIZER, Bundle
from app.encoding.packed import open_packed
from app.encoding.session import open_graph
from app.errors import BundleError

if TYPE_CHECKING:
    import onnxruntime as ort

BATCH = 32
RUN_TOKENS = (
    64  # of one run, with padding: larger runs leave the cache, and ONNX Runtime keeps the largest one's memory
)
WINDOW_OVERLAP = 32  # tokens that consecutive windows of a long answer share
MAX_WINDOWS = 64  # of one answer


class Encoder:
    """The graphs and tokenizers of a bundle, for one thread."""

    def __init__(
        self, bundle: Bundle, *, threads: int = 0, like: "Encoder | None" = None, packed: Path | None = None
    ) -> None:
        """`threads`: for each graph; 0 takes all cores. Raises BundleError if a file cannot be loaded.

        `like`: an encoder of the same bundle for another thread, to share what it has loaded. `packed`: the directory
        of packed graphs, which processes share; None: the graphs are loaded as they were exported.
        """
        self.encoding = bundle.manifest.encoding
        self._batch = self.encoding.max_batch or BATCH
        try:
            self._session, self._answering = like.sessions if like else _sessions(bundle, threads, packed)
            self._questions: Tokenizer = like.tokenizer if like else self._tokenizer(bundle)
        except Exception as error:  # both libraries raise types that derive from Exception only
            raise BundleError(f"{bundle.directory} cannot be run: {error}") from error
        self.two_sided = bundle.two_sided
        for session in (self._session, self._answering):
            width = session.get_outputs()[0].shape[-1]
            if width != self.encoding.dimension:
                raise BundleError(
                    f"{bundle.directory}: the graph gives {width} dimensions, not {self.encoding.dimension}."
                )

    def encode_queries(self, texts: Sequence[str]) -> Vectors:
        """(n, dimension) float32: a vector for each question, which is truncated to `max_tokens`."""
        return self.embed(self.tokenize(texts))

    def tokenize(self, questions: Sequence[str]) -> list[Tokens]:
        """The tokens of the questions, truncated to `max_tokens`. Questions of equal ids have equal vectors."""
        prefix = self.encoding.question_prefix
        return self._questions.encode_batch([prefix + text for text in questions])

    def encode_documents(self, texts: Sequence[str]) -> list[Vectors]:
        """For each text (windows, dimension) float32. A long text is several overlapping windows, at most 64."""
        prefix = self.encoding.answer_prefix
        tokens = self._answers.encode_batch([prefix + text for text in texts])
        windows = [[text, *text.overflowing][:MAX_WINDOWS] for text in tokens]
        vectors = self._run(self._answering, [window for text in windows for window in text])
        return np.split(vectors, np.cumsum([len(text) for text in windows])[:-1]) if windows else []

    def embed(self, tokens: Sequence[Tokens]) -> Vectors:
        """(n, dimension) float32, of questions that `tokenize` returned, in the order given."""
        return self._run(self._session, tokens)

    @property
    def tokenizer(self) -> Tokenizer:
        """Of questions. Several threads may use it, as long as none changes its settings."""
        return self._questions

    @cached_property
    def _answers(self) -> Tokenizer:
        """Of answers, which a service that only answers does not need. It is a copy of the other one, as the bundle may
        have been deleted meanwhile."""
        return self._set(Tokenizer.from_str(self._questions.to_str()), WINDOW_OVERLAP)

    def _tokenizer(self, bundle: Bundle) -> Tokenizer:
        return self._set(Tokenizer.from_file(str(bundle.directory / TOKENIZER)), overlap=0)

    def _set(self, tokenizer: Tokenizer, overlap: int) -> Tokenizer:
        """`overlap`: tokens that consecutive windows of a long text share."""
        tokenizer.no_padding()
        tokenizer.enable_truncation(self.encoding.max_tokens, stride=min(overlap, self.encoding.max_tokens // 4))
        return tokenizer

    @property
    def sessions(self) -> "tuple[ort.InferenceSession, ort.InferenceSession]":
        """The graphs of questions and of answers; the same session twice for a bundle of one graph."""
        return self._session, self._answering

    def _run(self, session: "ort.InferenceSession", tokens: Sequence[Tokens]) -> Vectors:
        """(n, dimension), in batches of texts of similar length. The attention mask hides the padding."""
        vectors = np.empty((len(tokens), self.encoding.dimension), dtype=np.float32)
        by_length = sorted(range(len(tokens)), key=lambda i: len(tokens[i].ids))
        for chosen in self._runs(by_length, tokens):
            width = len(tokens[chosen[-1]].ids)
            ids = np.zeros((len(chosen), width), dtype=np.int64)
            mask = np.zeros_like(ids)
            for row, i in enumerate(chosen):
                length = len(tokens[i].ids)
                ids[row, :length] = tokens[i].ids
                mask[row, :length] = 1
            vectors[chosen] = session.run(None, {"input_ids": ids, "attention_mask": mask})[0]
        return vectors

    def _runs(self, by_length: Sequence[int], tokens: Sequence[Tokens]) -> Iterator[Sequence[int]]:
        """The texts of each run, at least one. `by_length`: their numbers, shortest first."""
        start = 0
        while start < len(by_length):
            end = min(start + self._batch, len(by_length))
            while end - start > 1 and (end - start) * len(tokens[by_length[end - 1]].ids) > RUN_TOKENS:
                end -= 1
            yield by_length[start:end]
            start = end


def _sessions(bundle: Bundle, threads: int, packed: Path | None) -> "tuple[ort.InferenceSession, ort.InferenceSession]":
    def opened(name: str) -> "ort.InferenceSession":
        graph = bundle.directory / name
        if packed is None:
            return open_graph(graph, threads)
        return open_packed(graph, packed, f"{bundle.revision}-{Path(name).stem}", threads)

    questions = opened(MODEL)
    return questions, opened(ANSWERS) if bundle.two_sided else questions
