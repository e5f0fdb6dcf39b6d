"""Fewer nodes, the same numbers."""

from collections import Counter
from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
import pytest

from trainer.export import graph, optimize
from trainer.training import model


def test_fewer_nodes_give_the_same_embeddings(tiny_base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    base = model.load(str(tiny_base), "cpu")
    operators = {}
    for name in ("optimized", "as_exported"):
        if name == "as_exported":
            monkeypatch.setattr(graph, "optimize", lambda path: None)
        graph.traced(base, tmp_path / name, 32)
        operators[name] = Counter(node.op_type for node in onnx.load(tmp_path / name).graph.node)
    assert operators["as_exported"]["Reshape"] > 0
    assert operators["optimized"]["Reshape"] == 0
    layers = operators["optimized"]["MultiHeadAttention"]
    assert layers == operators["as_exported"]["MultiHeadAttention"] > 0
    assert operators["optimized"]["MatMul"] == operators["as_exported"]["MatMul"] - 2 * layers
    ids = np.array([[5, 9, 7, 6], [5, 6, 0, 0]])
    feed = {"input_ids": ids, "attention_mask": (ids > 0).astype(np.int64)}
    fast, slow = (ort.InferenceSession(tmp_path / name).run(None, feed)[0] for name in ("optimized", "as_exported"))
    np.testing.assert_allclose(fast, slow, atol=1e-6)


def test_a_graph_without_the_patterns_stays_as_it_is(tmp_path: Path) -> None:
    x, y = (onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, ["n", 4]) for name in "xy")
    node = onnx.helper.make_node("Abs", ["x"], ["y"])
    model_proto = onnx.helper.make_model(onnx.helper.make_graph([node], "g", [x], [y]), ir_version=10)
    onnx.save(model_proto, tmp_path / "graph")
    optimize.optimize(tmp_path / "graph")
    assert [node.op_type for node in onnx.load(tmp_path / "graph").graph.node] == ["Abs"]
