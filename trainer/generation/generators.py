"""Query generators: a sequence-to-sequence model from a directory or the hub, or an OpenAI-compatible endpoint."""

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

READ_TOKENS, QUERY_TOKENS = 512, 64  # the most of a passage and of a query, as in GenQ
BATCH_TOKENS = {"cpu": 8192, "cuda": 131_072}  # of a batch: passages with padding, times queries
WINDOW = 512  # passages are sorted by length within windows of so many


class QueryGenerator(Protocol):
    """Generates queries for passages. The size of a batch times the largest `cost` in it is at most `budget`."""

    budget: int

    def cost(self, passage: str, queries: int) -> int:
        """The part of the budget that a passage with that many queries takes."""

    def generate(self, passages: Sequence[str], sampling: Sampling, seed: int) -> list[list[str]]:
        """The queries of each passage, sampled with that seed."""


class Seq2Seq:
    """A sequence-to-sequence model, on the GPU if there is one."""

    def __init__(self, model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> None:
        self.device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        self.model: Any = model.train(False).to(self.device)
        self.tokenizer = tokenizer
        self.budget = BATCH_TOKENS[self.device.type]
        self.longest = min(READ_TOKENS, int(tokenizer.model_max_length))

    def cost(self, passage: str, queries: int) -> int:
        """The approximate number of tokens."""
        return min(self.longest, 2 + len(passage) // 3) * queries

    @torch.no_grad()
    def generate(self, passages: Sequence[str], sampling: Sampling, seed: int) -> list[list[str]]:
        """The queries of each passage, (passages, queries)."""
        tokens = self.tokenizer(
            list(passages), padding=True, truncation=True, max_length=self.longest, return_tensors="pt"
        ).to(self.device)
        torch.manual_seed(seed)
        with torch.autocast(self.device.type, torch.bfloat16, enabled=native_bf16()):
            sampled = self.model.generate(
                input_ids=tokens["input_ids"],
                attention_mask=tokens["attention_mask"],
                do_sample=True,
                **_sampling_options(sampling),
                num_return_sequences=sampling.queries,
                max_new_tokens=QUERY_TOKENS,
                use_cache=True,
            )
        texts = self.tokenizer.batch_decode(sampled, skip_special_tokens=True, clean_up_tokenization_spaces=True)
        return [texts[i : i + sampling.queries] for i in range(0, len(texts), sampling.queries)]


class TopKTopP(LogitsProcessor):
    """Temperature, top-k and top-p in one step, as in transformers, but without sorting the whole vocabulary."""

    def __init__(self, sampling: Sampling) -> None:
        self.sampling = sampling

    def __call__(self, input_ids: LongTensor, scores: FloatTensor) -> FloatTensor:
        """The scores, (batch, vocabulary), with minus infinity for tokens that are never drawn."""
        best = (scores / self.sampling.temperature).topk(min(self.sampling.top_k, scores.shape[-1]), dim=-1)
        shares = best.values.softmax(dim=-1)
        kept = best.values.masked_fill(shares.cumsum(dim=-1) - shares >= self.sampling.top_p, -torch.inf)
        return cast(FloatTensor, torch.full_like(scores, -torch.inf).scatter(1, best.indices, kept))


def _sampling_options(sampling: Sampling) -> dict[str, Any]:
    if sampling.top_k == 0:
        return {"top_p": sampling.top_p, "top_k": 0, "temperature": sampling.temperature}
    return {"logits_processor": [TopKTopP(sampling)], "top_k": 0}


def batches(passages: Sequence[str], generator: QueryGenerator, sampling: Sampling) -> Iterator[list[int]]:
    """The positions of all passages in batches of similar length; deterministic."""
    for start in range(0, len(passages), WINDOW):
        batch: list[int] = []
        window = range(start, min(start + WINDOW, len(passages)))
        costs = {position: generator.cost(passages[position], sampling.queries) for position in window}
        for position in sorted(window, key=costs.__getitem__):
            if batch and costs[position] * (len(batch) + 1) > generator.budget:
                yield batch
                batch = []
            batch.append(position)
        yield batch


def load_generator(model: str, endpoint: str | None = None) -> QueryGenerator:
    """The generator that `--model` and `--endpoint` name. Raises InputError when it cannot be loaded."""
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
