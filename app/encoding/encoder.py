"""Texts to vectors, with ONNX Runtime and `tokenizers`; no torch.

`questions()` and `answers()` differ by name, so that the two sides of a model cannot be confused. Not to be shared
between threads: a tokenizer is borrowed by one caller at a time. Give each thread an encoder of its own.
"""

from collections.abc import Sequence

import numpy as np
import onnxruntime as ort
from tokenizers import Encoding as Tokens
from tokenizers import Tokenizer

from app.arrays import Vectors
from app.encoding.bundle import ANSWERS, MODEL, TOKENIZER, Bundle
from app.encoding.session import open_graph
from app.errors import BundleError

BATCH = 32
WINDOW_OVERLAP = 32  # tokens that neighbouring windows of a long answer share
MAX_WINDOWS = 64  # of one answer


class Encoder:
    """The bundle's graph, or one for each side where it has two, and its tokenizers, for one thread."""

    def __init__(self, bundle: Bundle, *, threads: int = 0, like: "Encoder | None" = None) -> None:
        """Load the bundle's graphs; `threads` of 0 takes all cores. Raises BundleError if it cannot be run.

        `like`: an encoder of this bundle for another thread; both run the same graphs, so that they are in memory once.
        """
        self.encoding = bundle.manifest.encoding
        self._batch = self.encoding.max_batch or BATCH
        try:
            self._session, self._answering = like.sessions if like else _sessions(bundle, threads)
            self._questions = Tokenizer.from_file(str(bundle.directory / TOKENIZER))
            self._answers = Tokenizer.from_file(str(bundle.directory / TOKENIZER))
        except Exception as error:  # both libraries raise bare types of their own
            raise BundleError(f"{bundle.directory} cannot be run: {error}") from error
        self.two_sided = bundle.two_sided
        for session in (self._session, self._answering):
            width = session.get_outputs()[0].shape[-1]
            if width != self.encoding.dimension:
                raise BundleError(
                    f"{bundle.directory}: the graph gives {width} dimensions, not {self.encoding.dimension}."
                )
        for tokenizer, stride in ((self._questions, 0), (self._answers, WINDOW_OVERLAP)):
            tokenizer.no_padding()
            tokenizer.enable_truncation(self.encoding.max_tokens, stride=min(stride, self.encoding.max_tokens // 4))

    def encode_queries(self, texts: Sequence[str]) -> Vectors:
        """(n, dimension) float32: one vector a question, cut at the model's length."""
        return self.embed(self.tokenize(texts))

    def tokenize(self, questions: Sequence[str]) -> list[Tokens]:
        """The questions' tokens, cut at the model's length; those of equal ids have equal vectors."""
        prefix = self.encoding.question_prefix
        return self._questions.encode_batch([prefix + text for text in questions])

    def encode_documents(self, texts: Sequence[str]) -> list[Vectors]:
        """For each text (windows, dimension) float32: a long answer is several overlapping windows."""
        prefix = self.encoding.answer_prefix
        tokens = self._answers.encode_batch([prefix + text for text in texts])
        windows = [[one, *one.overflowing][:MAX_WINDOWS] for one in tokens]
        vectors = self._run(self._answering, [window for one in windows for window in one])
        return np.split(vectors, np.cumsum([len(one) for one in windows])[:-1]) if windows else []

    def embed(self, tokens: Sequence[Tokens]) -> Vectors:
        """(n, dimension) float32, of questions that `tokenize` returned, in the order given."""
        return self._run(self._session, tokens)

    @property
    def sessions(self) -> tuple[ort.InferenceSession, ort.InferenceSession]:
        """What encodes questions and what encodes answers; the same for a bundle of one graph."""
        return self._session, self._answering

    def _run(self, session: ort.InferenceSession, tokens: Sequence[Tokens]) -> Vectors:
        """Batches of like length; attention does not see the padding."""
        vectors = np.empty((len(tokens), self.encoding.dimension), dtype=np.float32)
        by_length = sorted(range(len(tokens)), key=lambda i: len(tokens[i].ids))
        for start in range(0, len(by_length), self._batch):
            chosen = by_length[start : start + self._batch]
            width = len(tokens[chosen[-1]].ids)
            ids = np.zeros((len(chosen), width), dtype=np.int64)
            mask = np.zeros_like(ids)
            for row, i in enumerate(chosen):
                length = len(tokens[i].ids)
                ids[row, :length] = tokens[i].ids
                mask[row, :length] = 1
            vectors[chosen] = session.run(None, {"input_ids": ids, "attention_mask": mask})[0]
        return vectors


def _sessions(bundle: Bundle, threads: int) -> tuple[ort.InferenceSession, ort.InferenceSession]:
    one = open_graph(bundle.directory / MODEL, threads)
    return one, open_graph(bundle.directory / ANSWERS, threads) if bundle.two_sided else one
