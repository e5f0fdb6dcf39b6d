# ruff: noqa: ANN401 - the rewriter of onnxscript is untyped
"""Exact graph optimizations: with one question at a time, launching a node costs about as much as computing it.

Removes reshapes that change nothing and packs the query, key and value projections of attention into one MatMul. A
graph without these patterns stays as it is.
"""

from pathlib import Path
from typing import Any

import numpy as np
import onnx_ir as ir
from onnx_ir.passes import common
from onnxscript.rewriter import pattern

from app.graphs.bert import CONTRIB_DOMAIN


def optimize(path: Path) -> None:
    """Optimize the graph at `path` in place."""
    model = ir.load(path)
    for rule in (
        pattern.RewriteRule(_two_reshapes, _second_reshape),
        pattern.RewriteRule(_reshape, _identity, _keeps_shape),
    ):
        pattern.RewriteRuleSet([rule]).apply_to_model(model)
    common.IdentityEliminationPass()(model)
    pattern.RewriteRuleSet([pattern.RewriteRule(_separate_projections, _packed_projection, _can_pack)]).apply_to_model(
        model
    )
    common.RemoveUnusedNodesPass()(model)
    ir.save(model, path)


def _two_reshapes(op: Any, x: Any, first: Any, second: Any) -> Any:
    return op.Reshape(op.Reshape(x, first), second, allowzero=1)


def _second_reshape(op: Any, x: Any, first: Any, second: Any) -> Any:
    return op.Reshape(x, second, allowzero=1)


def _reshape(op: Any, x: Any, shape: Any) -> Any:
    return op.Reshape(x, shape, _outputs=["reshaped"])


def _keeps_shape(context: Any, x: Any, shape: Any, reshaped: Any) -> bool:
    return x.shape is not None and reshaped.shape is not None and bool(x.shape == reshaped.shape)


def _identity(op: Any, x: Any, shape: Any, reshaped: Any) -> Any:
    return op.Identity(x)


def _separate_projections(op: Any, x: Any, wq: Any, wk: Any, wv: Any, bq: Any, bk: Any, bv: Any, mask: Any) -> Any:
    projected = [op.Add(op.MatMul(x, weight), bias) for weight, bias in ((wq, bq), (wk, bk), (wv, bv))]
    inputs = (*projected, None, mask)
    return op.MultiHeadAttention(*inputs, _domain=CONTRIB_DOMAIN, _allow_other_attributes=True, _outputs=["mixed"])


def _can_pack(context: Any, wq: Any, wk: Any, wv: Any, bq: Any, bk: Any, bv: Any, **_: Any) -> bool:
    """Whether all are constants, the weights of one shape and the biases of one shape."""
    constants = [ir.convenience.get_const_tensor(value) for value in (wq, wk, wv, bq, bk, bv)]
    shapes = [None if tensor is None else tuple(tensor.shape) for tensor in constants]
    return None not in shapes and len(set(shapes[:3])) == 1 and len(set(shapes[3:])) == 1


def _packed_projection(
    op: Any, x: Any, wq: Any, wk: Any, wv: Any, bq: Any, bk: Any, bv: Any, mask: Any, mixed: Any
) -> Any:
    weight = op.initializer(_concatenated(wq, wk, wv), f"{mixed.name}_weight")
    bias = op.initializer(_concatenated(bq, bk, bv), f"{mixed.name}_bias")
    parts = op.Split(op.Add(op.MatMul(x, weight), bias), axis=-1, num_outputs=3, _outputs=3)
    attributes = {attribute.name: attribute for attribute in mixed.producer().attributes.values()}
    return op.MultiHeadAttention(*parts, None, mask, _domain=CONTRIB_DOMAIN, **attributes)


def _concatenated(*values: Any) -> ir.TensorProtocol:
    tensors = [ir.convenience.get_const_tensor(value) for value in values]
    return ir.tensor(np.concatenate([tensor.numpy() for tensor in tensors if tensor is not None], axis=-1))
