"""Which sentence encoders can be exported: their modules as one, and why a model is refused."""

import inspect
from collections.abc import Sequence
from typing import Any

import torch
from sentence_transformers import SentenceTransformer
from sentence_transformers.base.modules.dense import Dense
from sentence_transformers.base.modules.normalize import Normalize
from sentence_transformers.base.modules.transformer import Transformer
from sentence_transformers.sentence_transformer.modules.pooling import Pooling
from torch import Tensor, nn
from transformers import PreTrainedConfig

from app.errors import InputError
from trainer.training.towers import towers


def refusal(reason: str) -> InputError:
    """The error for a base model that cannot be exported. `reason`: a clause without a full stop."""
    return InputError(
        f"This base model cannot be exported: {reason}. Choose another with --base; all-MiniLM-L6-v2 is the default.",
        "base",
    )


class Pipeline(nn.Module):
    """Transformer, pooling, dense layers and normalization as one module."""

    def __init__(self, backbone: nn.Module, pooling_mode: str, dense: Sequence[Dense]) -> None:
        super().__init__()
        self.backbone = backbone
        self.pooling_mode = pooling_mode
        self.dense = nn.ModuleList(dense)
        self.has_token_types = "token_type_ids" in inspect.signature(backbone.forward).parameters

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
        """Unit-length embeddings, (batch, dimension), of (batch, sequence) ids and mask."""
        extra = {"token_type_ids": torch.zeros_like(input_ids)} if self.has_token_types else {}
        hidden = self.backbone(input_ids, attention_mask=attention_mask, **extra).last_hidden_state
        if self.pooling_mode == "cls":
            pooled = hidden[:, 0]
        else:
            mask = attention_mask.unsqueeze(-1).to(hidden.dtype)
            pooled = (hidden * mask).sum(1) / mask.sum(1).clamp(min=1e-9)
        for layer in self.dense:
            pooled = layer({"sentence_embedding": pooled})["sentence_embedding"]
        return nn.functional.normalize(pooled, dim=-1)


def pipeline_of(model: SentenceTransformer) -> Pipeline:
    """The modules of a sentence-transformers pipeline as one module. Raises InputError for other pipelines."""
    modules = list(model)
    kinds = " + ".join(type(module).__name__ for module in modules)
    unsupported = refusal(f"it is {kinds}, not Transformer + Pooling [+ Dense] [+ Normalize]")
    if len(modules) < 2 or not isinstance(modules[0], Transformer) or not isinstance(modules[1], Pooling):
        raise unsupported
    pooling, rest = modules[1], modules[2:]
    if rest and isinstance(rest[-1], Normalize):
        rest = rest[:-1]
    dense = [module for module in rest if isinstance(module, Dense)]
    if len(dense) != len(rest):
        raise unsupported
    if any(layer.module_input_name != layer.module_output_name for layer in dense):
        raise refusal("a Dense module renames its output")
    if pooling.pooling_mode not in ("mean", "cls"):
        raise refusal(f"its pooling is {pooling.pooling_mode!r}, neither mean nor cls")
    if not pooling.include_prompt:
        raise refusal("its pooling leaves out the prompt")
    if model.tokenizer.padding_side != "right":
        raise refusal("it pads on the left")
    return Pipeline(modules[0].model, str(pooling.pooling_mode), dense)


def refuse_unexportable(model: SentenceTransformer) -> None:
    """Raises InputError if the modules or the configuration of a tower show that it cannot be exported.

    `fit` calls it before training starts.
    """
    for encoder in towers(model):
        backbone: Any = pipeline_of(encoder).backbone
        refuse_attention(backbone, backbone.config, encoder.max_seq_length or backbone.config.max_position_embeddings)


def refuse_attention(module: nn.Module, config: PreTrainedConfig, max_tokens: int) -> None:
    """Raises InputError for a kind of attention that the fused operator does not compute.

    The operator lets every token attend to every token. Without this check, the graph of a model with sliding windows
    would compute wrong embeddings of texts that are longer than the window.
    """
    heads = getattr(config, "num_attention_heads", None)
    if getattr(config, "num_key_value_heads", heads) not in (None, heads):
        raise refusal("it has grouped-query attention")
    if any(getattr(part, "is_causal", False) for part in module.modules()):
        raise refusal(f"it is {config.model_type}, whose tokens attend only to those before them (causal attention)")
    window, kinds = getattr(config, "sliding_window", None), getattr(config, "layer_types", None)
    if window and max_tokens - 1 > window and (kinds is None or "sliding_attention" in kinds):
        raise refusal(
            f"it is {config.model_type}, with layers whose tokens attend only to the {window} nearest on either side "
            f"(sliding-window attention), and it reads texts of {max_tokens} tokens"
        )


def refuse_length(config: PreTrainedConfig, max_tokens: int) -> None:
    """Raises InputError if a transformer cannot read texts of `max_tokens` tokens."""
    if not 2 <= max_tokens <= config.max_position_embeddings:
        raise refusal(f"it reads at most {config.max_position_embeddings} tokens, not {max_tokens}")
