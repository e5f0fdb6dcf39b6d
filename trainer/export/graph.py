"""Export of a sentence encoder to one float32 ONNX graph: token ids and mask in, unit-length embedding out.

`app.graphs.bert` builds the graph of a BERT model. Any other architecture is traced by torch.
Attention becomes ONNX Runtime's fused MultiHeadAttention operator, which is a third faster than separate operators.
"""

import contextlib
import inspect
import logging
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
from sentence_transformers import SentenceTransformer
from sentence_transformers.base.modules.dense import Dense
from sentence_transformers.base.modules.normalize import Normalize
from sentence_transformers.base.modules.transformer import Transformer
from sentence_transformers.sentence_transformer.modules.pooling import Pooling
from torch import Tensor, nn
from transformers import AttentionInterface, AttentionMaskInterface, BertModel, PreTrainedConfig

from app.errors import InputError
from app.graphs.bert import CONTRIB_DOMAIN, OPSET, Array, Linear, sentence_encoder, unsupported
from trainer.export.optimize import optimize
from trainer.training.towers import towers

ATTENTION = "onnxruntime_mha"


def _refuse(reason: str) -> InputError:
    return InputError(
        f"This base model cannot be exported: {reason}. Choose another with --base; all-MiniLM-L6-v2 is the default.",
        "base",
    )


def _attention(
    module: nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    scaling: float | None = None,
    **_: object,
) -> tuple[Tensor, None]:
    """A transformer's attention as one MultiHeadAttention node of ONNX Runtime, (batch, length, heads, size)."""
    batch, heads, length, size = query.shape
    if key.shape[1] != heads:
        raise _refuse("grouped-query attention")

    def flat(states: Tensor) -> Tensor:
        return states.transpose(1, 2).reshape(batch, length, heads * size)

    attributes: dict[str, Any] = {"num_heads": heads}
    if scaling is not None:
        attributes["scale"] = float(scaling)
    mixed = torch.onnx.ops.symbolic(
        f"{CONTRIB_DOMAIN}::MultiHeadAttention",
        (flat(query), flat(key), flat(value), None, attention_mask),
        attributes,
        dtype=query.dtype,
        shape=(batch, length, heads * size),
        version=1,
    )
    return mixed.reshape(batch, length, heads, size), None


def _key_mask(*_: object, attention_mask: Tensor | None = None, **__: object) -> Tensor | None:
    """The (batch, sequence) mask as int32, the type that the fused operator takes."""
    return None if attention_mask is None else attention_mask.to(torch.int32)


class _Encoder(nn.Module):
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


def _encoder(model: SentenceTransformer) -> _Encoder:
    """The modules of a sentence-transformers pipeline as an `_Encoder`. Raises InputError for other pipelines."""
    modules = list(model)
    kinds = " + ".join(type(module).__name__ for module in modules)
    unsupported = _refuse(f"it is {kinds}, not Transformer + Pooling [+ Dense] [+ Normalize]")
    if len(modules) < 2 or not isinstance(modules[0], Transformer) or not isinstance(modules[1], Pooling):
        raise unsupported
    pooling, rest = modules[1], modules[2:]
    if rest and isinstance(rest[-1], Normalize):
        rest = rest[:-1]
    dense = [module for module in rest if isinstance(module, Dense)]
    if len(dense) != len(rest):
        raise unsupported
    if any(layer.module_input_name != layer.module_output_name for layer in dense):
        raise _refuse("a Dense module renames its output")
    if pooling.pooling_mode not in ("mean", "cls"):
        raise _refuse(f"its pooling is {pooling.pooling_mode!r}, neither mean nor cls")
    if not pooling.include_prompt:
        raise _refuse("its pooling leaves out the prompt")
    if model.tokenizer.padding_side != "right":
        raise _refuse("it pads on the left")
    return _Encoder(modules[0].model, str(pooling.pooling_mode), dense)


def refuse_unexportable(model: SentenceTransformer) -> None:
    """Raises InputError if the modules or the configuration of a tower show that it cannot be exported.

    `fit` calls it before training starts.
    """
    for encoder in towers(model):
        backbone: Any = _encoder(encoder).backbone
        _refuse_attention(backbone, backbone.config, encoder.max_seq_length or backbone.config.max_position_embeddings)


def _refuse_attention(module: nn.Module, config: PreTrainedConfig, max_tokens: int) -> None:
    """Raises InputError for a kind of attention that the fused operator does not compute.

    The operator lets every token attend to every token. Without this check, the graph of a model with sliding windows
    would compute wrong embeddings of texts that are longer than the window.
    """
    heads = getattr(config, "num_attention_heads", None)
    if getattr(config, "num_key_value_heads", heads) not in (None, heads):
        raise _refuse("it has grouped-query attention")
    if any(getattr(part, "is_causal", False) for part in module.modules()):
        raise _refuse(f"it is {config.model_type}, whose tokens attend only to those before them (causal attention)")
    window, kinds = getattr(config, "sliding_window", None), getattr(config, "layer_types", None)
    if window and max_tokens - 1 > window and (kinds is None or "sliding_attention" in kinds):
        raise _refuse(
            f"it is {config.model_type}, with layers whose tokens attend only to the {window} nearest on either side "
            f"(sliding-window attention), and it reads texts of {max_tokens} tokens"
        )


def _refuse_length(config: PreTrainedConfig, max_tokens: int) -> None:
    if not 2 <= max_tokens <= config.max_position_embeddings:
        raise _refuse(f"it reads at most {config.max_position_embeddings} tokens, not {max_tokens}")


def _built(encoder: _Encoder) -> onnx.ModelProto | None:
    """The graph of a BERT model whose further layers are linear; None for any other."""
    backbone: Any = encoder.backbone
    layers = [_linear(layer) for layer in encoder.dense]
    if type(backbone) is not BertModel or unsupported(backbone.config.to_dict()) or None in layers:
        return None
    weights = {name: _array(tensor) for name, tensor in backbone.state_dict().items()}
    pooling: Any = encoder.pooling_mode
    return sentence_encoder(backbone.config.to_dict(), weights, pooling, [layer for layer in layers if layer])


def _linear(dense: Any) -> Linear | None:  # noqa: ANN401 - sentence-transformers does not declare its attributes
    """A Dense module as one linear layer; None if it has an activation."""
    if not isinstance(dense.activation_function, nn.Identity):
        return None
    weight = _array(dense.linear.weight).T
    bias = np.zeros(weight.shape[1], np.float32) if dense.linear.bias is None else _array(dense.linear.bias)
    if dense.use_residual:
        if weight.shape[0] != weight.shape[1]:
            return None
        weight = weight + np.eye(len(weight), dtype=np.float32)
    return Linear(weight, bias)


def _array(tensor: Tensor) -> Array:
    return tensor.detach().to("cpu", torch.float32).numpy()


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Silence the warnings and notes of torch.onnx, which nobody here can act on."""
    loggers = [logging.getLogger(name) for name in ("torch.onnx", "torch.onnx._internal.exporter._registration")]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings(action="ignore"):
            yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)


@contextlib.contextmanager
def _fused_attention(config: PreTrainedConfig) -> Iterator[None]:
    """Make the transformer use `_attention` during the export."""
    AttentionInterface.register(ATTENTION, _attention)
    AttentionMaskInterface.register(ATTENTION, _key_mask)
    before = config._attn_implementation
    config._attn_implementation = ATTENTION
    try:
        yield
    finally:
        config._attn_implementation = before


def export_onnx(model: SentenceTransformer, path: Path, max_tokens: int) -> None:
    """Write the float32 encoder to `path`: `input_ids`, `attention_mask` -> `sentence_embedding`.

    The embedding has unit length, also where the pipeline has no Normalize module. The model does not change. Raises
    InputError for a model that cannot be exported.
    """
    encoder = _encoder(model)
    graph = _built(encoder)
    if graph is None:
        traced(model, path, max_tokens)
        return
    _refuse_length(encoder.backbone.config, max_tokens)  # type: ignore[arg-type]
    onnx.save(graph, path)


def traced(model: SentenceTransformer, path: Path, max_tokens: int) -> None:
    """As `export_onnx`, for every architecture: torch traces the model."""
    encoder = _encoder(model)
    config: Any = encoder.backbone.config
    training = model.training
    model.eval()
    try:
        write(encoder, config, ("input_ids", "attention_mask"), "sentence_embedding", path, max_tokens)
    finally:
        model.train(training)


def write(
    module: nn.Module, config: PreTrainedConfig, inputs: Sequence[str], output: str, path: Path, max_tokens: int
) -> None:
    """Write a module around the transformer of `config`, in evaluation mode, to `path` as a float32 graph.

    `inputs` names the module's arguments in order, each a (batch, sequence) int64 tensor. Raises InputError for a
    transformer that cannot be exported.
    """
    _refuse_attention(module, config, max_tokens)
    _refuse_length(config, max_tokens)
    device = next(module.parameters()).device
    ids = torch.ones((2, min(8, max_tokens)), dtype=torch.int64, device=device)
    shape = {0: torch.export.Dim("batch"), 1: torch.export.Dim("sequence", max=max_tokens)}
    module.eval()
    with _quiet(), _fused_attention(config), torch.no_grad():
        torch.onnx.export(
            module,
            tuple(torch.ones_like(ids) for _ in inputs),
            path,
            dynamo=True,
            verbose=False,
            external_data=False,
            opset_version=OPSET,
            input_names=list(inputs),
            output_names=[output],
            dynamic_shapes=tuple(shape for _ in inputs),
        )
    optimize(path)
