"""Export of a sentence encoder to one float32 ONNX graph: token ids and mask in, unit-length embedding out.

`app.graphs.bert` builds the graph of a BERT model. Any other architecture is traced by torch.
Attention becomes ONNX Runtime's fused MultiHeadAttention operator, which is a third faster than separate operators.
"""

import contextlib
import logging
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
from sentence_transformers import SentenceTransformer
from torch import Tensor, nn
from transformers import AttentionInterface, AttentionMaskInterface, BertModel, PreTrainedConfig

from app.graphs.bert import CONTRIB_DOMAIN, OPSET, Array, Linear, sentence_encoder, unsupported
from trainer.export.exportable import Pipeline, pipeline_of, refusal, refuse_attention, refuse_length
from trainer.export.optimize import optimize

ATTENTION = "onnxruntime_mha"


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
        raise refusal("grouped-query attention")

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


def _built(encoder: Pipeline) -> onnx.ModelProto | None:
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
    encoder = pipeline_of(model)
    graph = _built(encoder)
    if graph is None:
        traced(model, path, max_tokens)
        return
    refuse_length(encoder.backbone.config, max_tokens)  # type: ignore[arg-type]
    onnx.save(graph, path)


def traced(model: SentenceTransformer, path: Path, max_tokens: int) -> None:
    """As `export_onnx`, for every architecture: torch traces the model."""
    encoder = pipeline_of(model)
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
    refuse_attention(module, config, max_tokens)
    refuse_length(config, max_tokens)
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
