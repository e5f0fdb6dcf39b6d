"""What asks: something that makes queries of passages, whichever model does it.

A sequence-to-sequence model from a directory or the hub, or an endpoint.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Protocol, cast

import torch
from torch import FloatTensor, LongTensor
from transformers import (
    AutoModelForSeq2SeqLM,
    AutoTokenizer,
    LogitsProcessor,
    PreTrainedModel,
    PreTrainedTokenizerBase,
)
from transformers.utils.logging import disable_progress_bar

from app.errors import InputError
from trainer.generation.endpoint import Endpoint, is_address
from trainer.generation.sampling import Sampling
from trainer.training.loop import native_bf16

READ_TOKENS, QUERY_TOKENS = 512, 64  # of a model that says nothing else; of a query, as in GenQ
BATCH_TOKENS = {"cpu": 8192, "cuda": 131_072}  # of a batch: its passages, padded, once for each query
WINDOW = 512  # passages that are sorted by length together


class Asker(Protocol):
    """Makes queries of passages. The largest `size` of a batch's passages times their number stays within `budget`."""

    budget: int

    def size(self, passage: str, queries: int) -> int:
        """What the passage with so many queries takes of the budget."""

    def ask(self, passages: Sequence[str], sampling: Sampling, seed: int) -> list[list[str]]:
        """For each passage its queries, drawn with that seed."""


class Seq2Seq:
    """A sequence-to-sequence model on this machine."""

    def __init__(self, model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> None:
        self.device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        self.model: Any = model.train(False).to(self.device)
        self.tokenizer = tokenizer
        self.budget = BATCH_TOKENS[self.device.type]
        self.longest = min(READ_TOKENS, int(tokenizer.model_max_length))

    def size(self, passage: str, queries: int) -> int:
        """The tokens, about."""
        return min(self.longest, 2 + len(passage) // 3) * queries

    @torch.no_grad()
    def ask(self, passages: Sequence[str], sampling: Sampling, seed: int) -> list[list[str]]:
        """Sampled, without gradients."""
        read = self.tokenizer(
            list(passages), padding=True, truncation=True, max_length=self.longest, return_tensors="pt"
        ).to(self.device)
        torch.manual_seed(seed)
        with torch.autocast(self.device.type, torch.bfloat16, enabled=native_bf16()):
            found = self.model.generate(
                input_ids=read["input_ids"],
                attention_mask=read["attention_mask"],
                do_sample=True,
                **_drawing(sampling),
                num_return_sequences=sampling.queries,
                max_new_tokens=QUERY_TOKENS,
                use_cache=True,
            )
        texts = self.tokenizer.batch_decode(found, skip_special_tokens=True, clean_up_tokenization_spaces=True)
        each = sampling.queries
        return [texts[start : start + each] for start in range(0, len(texts), each)]


class Likeliest(LogitsProcessor):
    """What transformers' temperature, top-k and top-p do one after the other, without its sort of the vocabulary."""

    def __init__(self, sampling: Sampling) -> None:
        self.sampling = sampling

    def __call__(self, input_ids: LongTensor, scores: FloatTensor) -> FloatTensor:
        """Scores, (batch, vocabulary), minus infinity for the words that are not drawn."""
        best = (scores / self.sampling.temperature).topk(min(self.sampling.top_k, scores.shape[-1]), dim=-1)
        shares = best.values.softmax(dim=-1)
        kept = best.values.masked_fill(shares.cumsum(dim=-1) - shares >= self.sampling.top_p, -torch.inf)
        return cast(FloatTensor, torch.full_like(scores, -torch.inf).scatter(1, best.indices, kept))


def _drawing(sampling: Sampling) -> dict[str, Any]:
    if sampling.top_k == 0:
        return {"top_p": sampling.top_p, "top_k": 0, "temperature": sampling.temperature}
    return {"logits_processor": [Likeliest(sampling)], "top_k": 0}


def batches(passages: Sequence[str], asker: Asker, sampling: Sampling) -> Iterator[list[int]]:
    """The positions of all passages, batched by length; the same ones every time."""
    for start in range(0, len(passages), WINDOW):
        batch: list[int] = []
        window = range(start, min(start + WINDOW, len(passages)))
        sizes = {one: asker.size(passages[one], sampling.queries) for one in window}
        for position in sorted(window, key=lambda one: (sizes[one], one)):
            if batch and sizes[position] * (len(batch) + 1) > asker.budget:
                yield batch
                batch = []
            batch.append(position)
        yield batch


def asker_of(model: str, endpoint: str | None = None) -> Asker:
    """What `--model` and `--endpoint` name. Raises InputError when it cannot be loaded."""
    if endpoint is not None or is_address(model):
        return Endpoint(endpoint or model, None if endpoint is None else model)
    disable_progress_bar()  # type: ignore[no-untyped-call]
    try:
        local = Path(model).is_dir()
        tokenizer = AutoTokenizer.from_pretrained(model, local_files_only=local)
        return Seq2Seq(AutoModelForSeq2SeqLM.from_pretrained(model, local_files_only=local), tokenizer)
    except (OSError, ValueError, RuntimeError) as error:
        reason = str(error).strip().split("\n", 1)[0]
        raise InputError(
            f"`{model}` is neither an endpoint's address nor a sequence-to-sequence model that can be loaded from a "
            f"directory or the hub: {reason}",
            "model",
        ) from error
