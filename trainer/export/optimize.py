# ruff: noqa: ANN401 - the rewriter of onnxscript is untyped
"""The same graph in fewer nodes: at one question a time, starting a node costs about as much as what it computes.

Only what is exact: reshapes that change nothing, and the three projections of attention as one product. A pattern that
a model does not have is left as it is.
"""

from pathlib import Path
from typing import Any

import numpy as np
import onnx_ir as ir
from onnx_ir.passes import common
from onnxscript.rewriter import pattern

CONTRIB_DOMAIN = "com.microsoft"


def optimize(path: Path) -> None:
    """Rewrite the graph at `path` in place."""
    model = ir.load(path)
    for rule in (
        pattern.RewriteRule(_two_reshapes, _the_second),
        pattern.RewriteRule(_reshape, _nothing, _changes_nothing),
    ):
        pattern.RewriteRuleSet([rule]).apply_to_model(model)
    common.IdentityEliminationPass()(model)
    pattern.RewriteRuleSet([pattern.RewriteRule(_three_products, _one_product, _alike)]).apply_to_model(model)
    common.RemoveUnusedNodesPass()(model)
    ir.save(model, path)


def _two_reshapes(op: Any, x: Any, first: Any, second: Any) -> Any:
    return op.Reshape(op.Reshape(x, first), second, allowzero=1)


def _the_second(op: Any, x: Any, first: Any, second: Any) -> Any:
    return op.Reshape(x, second, allowzero=1)


def _reshape(op: Any, x: Any, shape: Any) -> Any:
    return op.Reshape(x, shape, _outputs=["reshaped"])


def _changes_nothing(context: Any, x: Any, shape: Any, reshaped: Any) -> bool:
    return x.shape is not None and reshaped.shape is not None and bool(x.shape == reshaped.shape)


def _nothing(op: Any, x: Any, shape: Any, reshaped: Any) -> Any:
    return op.Identity(x)


def _three_products(op: Any, x: Any, wq: Any, wk: Any, wv: Any, bq: Any, bk: Any, bv: Any, mask: Any) -> Any:
    projected = [op.Add(op.MatMul(x, weight), bias) for weight, bias in ((wq, bq), (wk, bk), (wv, bv))]
    inputs = (*projected, None, mask)
    return op.MultiHeadAttention(*inputs, _domain=CONTRIB_DOMAIN, _allow_other_attributes=True, _outputs=["mixed"])


def _alike(context: Any, wq: Any, wk: Any, wv: Any, bq: Any, bk: Any, bv: Any, **_: Any) -> bool:
    """Constants, the weights of one shape and the biases of one."""
    constants = [ir.convenience.get_const_tensor(one) for one in (wq, wk, wv, bq, bk, bv)]
    shapes = [None if one is None else tuple(one.shape) for one in constants]
    return None not in shapes and len(set(shapes[:3])) == 1 and len(set(shapes[3:])) == 1


def _one_product(op: Any, x: Any, wq: Any, wk: Any, wv: Any, bq: Any, bk: Any, bv: Any, mask: Any, mixed: Any) -> Any:
    weight = op.initializer(_joined(wq, wk, wv), f"{mixed.name}_weight")
    bias = op.initializer(_joined(bq, bk, bv), f"{mixed.name}_bias")
    parts = op.Split(op.Add(op.MatMul(x, weight), bias), axis=-1, num_outputs=3, _outputs=3)
    attributes = {one.name: one for one in mixed.producer().attributes.values()}
    return op.MultiHeadAttention(*parts, None, mask, _domain=CONTRIB_DOMAIN, **attributes)


def _joined(*values: Any) -> ir.TensorProtocol:
    tensors = [ir.convenience.get_const_tensor(one) for one in values]
    return ir.tensor(np.concatenate([one.numpy() for one in tensors if one is not None], axis=-1))
