"""A graph of `trainer.export.graph`, its matrix products and word table in 8-bit integers.

Each token has an activation scale of its own, computed in the graph, so that a text's embedding does not depend on what
it is batched with. ONNX Runtime's own dynamic quantisation takes one scale over the whole batch, and does depend on it.
Outlier channels are evened out as in SmoothQuant (Xiao et al. 2022, arXiv 2211.10438).
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
import onnxruntime
from onnx import helper, numpy_helper

from trainer.export.optimize import CONTRIB_DOMAIN

FloatArray = npt.NDArray[np.float32]

SMOOTHING = 0.7
"""How much of the outlier channels moves from the activations into the weights."""
STEP, ZERO = 1 / 127, 128
"""Scale and zero point of activations, which are brought to [-1, 1] beforehand."""
TINY = 1e-6

Feed = dict[str, npt.NDArray[np.int64]]
"""One batch of model inputs: `input_ids` and `attention_mask`."""


@dataclass
class _Graph:
    """An ONNX graph being rewritten."""

    model: onnx.ModelProto
    weights: dict[str, onnx.TensorProto] = field(init=False)
    producers: dict[str, onnx.NodeProto] = field(init=False)
    nodes: list[onnx.NodeProto] = field(init=False, default_factory=list)

    def __post_init__(self) -> None:
        """Index the graph by name."""
        self.weights = {tensor.name: tensor for tensor in self.model.graph.initializer}
        self.producers = {name: node for node in self.model.graph.node for name in node.output}

    def get(self, name: str) -> npt.NDArray[Any]:
        """Return a constant's value."""
        return numpy_helper.to_array(self.weights[name])

    def put(self, name: str, value: npt.NDArray[Any] | np.generic) -> str:
        """Add a constant, once, and return its name."""
        self.weights.setdefault(name, numpy_helper.from_array(np.asarray(value), name))
        return name

    def add(self, kind: str, inputs: list[str], output: str, **attributes: int) -> str:
        """Append a node and return its output."""
        domain = CONTRIB_DOMAIN if kind == "MatMulIntegerToFloat" else ""
        node = helper.make_node(kind, inputs, [output], name=output, domain=domain, **attributes)  # type: ignore[arg-type]
        self.nodes.append(node)
        return output

    def products(self) -> dict[str, list[onnx.NodeProto]]:
        """Return the matrix products with constant weights, by what they multiply."""
        found: dict[str, list[onnx.NodeProto]] = {}
        for node in self.model.graph.node:
            weight = self.weights.get(node.input[1]) if node.op_type == "MatMul" else None
            if weight is not None and len(weight.dims) == 2:
                found.setdefault(node.input[0], []).append(node)
        return found

    def finish(self) -> onnx.ModelProto:
        """Put the new nodes in, and leave out the constants nobody uses any more."""
        graph = self.model.graph
        used = {name for node in self.nodes for name in node.input}
        del graph.node[:], graph.initializer[:], graph.value_info[:]
        graph.node.extend(self.nodes)
        graph.initializer.extend(tensor for name, tensor in self.weights.items() if name in used)
        if all(opset.domain != CONTRIB_DOMAIN for opset in self.model.opset_import):
            self.model.opset_import.append(helper.make_opsetid(CONTRIB_DOMAIN, 1))
        return self.model


def _reach(graph: _Graph, feeds: Sequence[Feed]) -> dict[str, FloatArray]:
    """Return the largest size of every channel that is multiplied, over some texts."""
    names = list(graph.products())
    probe = onnx.ModelProto()
    probe.CopyFrom(graph.model)
    probe.graph.output.extend(helper.make_empty_tensor_value_info(name) for name in names)
    session = onnxruntime.InferenceSession(probe.SerializeToString(), providers=["CPUExecutionProvider"])
    reach: dict[str, FloatArray] = {}
    for feed in feeds:
        real = feed["attention_mask"] > 0
        for name, value in zip(names, session.run(names, feed), strict=True):
            largest = np.abs(value[real]).max(0)
            reach[name] = np.maximum(reach.get(name, TINY), largest)
    return reach


def _smooth(graph: _Graph, source: str, products: list[onnx.NodeProto], reach: FloatArray) -> tuple[str, FloatArray]:
    """Even out the channels that are multiplied, and return what they were divided by.

    A few channels are far larger than the others, and would use up the 8 bits
    (SmoothQuant).  What feeds the products is divided channel by channel, and
    the weights will be multiplied: the same product, without the outliers.
    Behind a layer normalisation only; elsewhere it was measured not to help, and is left out.
    """
    node = graph.producers.get(source)
    if node is None or node.op_type != "LayerNormalization" or source != node.output[0]:
        return source, np.ones(len(reach), np.float32)
    weight = np.maximum(np.max([np.abs(graph.get(p.input[1])).max(1) for p in products], 0), TINY)
    factor = reach**SMOOTHING / weight ** (1 - SMOOTHING)
    factor = (factor / np.exp(np.log(factor).mean())).astype(np.float32)
    return graph.add("Mul", [source, graph.put(f"{source}_even", 1 / factor)], f"{source}_smooth"), factor


def _quantize_rows(graph: _Graph, source: str) -> tuple[str, str]:
    """Bring every token to [-1, 1] by its own largest value, then to 8 bits.

    Returns the names of the integers and of the tokens' largest values. A token of zeros has the largest value 0: what
    becomes of 0 / 0 is some 8-bit number, and multiplied by 0 in the end.
    """
    axis = graph.put("last_axis", np.array([-1], np.int64))
    scale, zero = graph.put("row_scale", np.float32(STEP)), graph.put("row_zero", np.uint8(ZERO))
    size = graph.add("Abs", [source], f"{source}_abs")
    top = graph.add("ReduceMax", [size, axis], f"{source}_top", keepdims=1)
    unit = graph.add("Div", [source, top], f"{source}_unit")
    return graph.add("QuantizeLinear", [unit, scale, zero], f"{source}_q"), top


def _integer_product(graph: _Graph, node: onnx.NodeProto, rows: tuple[str, str], factor: FloatArray) -> None:
    """Multiply 8-bit rows by 8-bit weights that have one scale per column."""
    name, (integers, top) = node.input[1], rows
    weight = graph.get(name) * factor[:, None]
    steps = np.maximum(np.abs(weight).max(0), TINY) / 127
    graph.put(f"{name}_q", np.rint(weight / steps).astype(np.int8))
    graph.put(f"{name}_scale", steps.astype(np.float32))
    inputs = [integers, f"{name}_q", "row_scale", f"{name}_scale", "row_zero"]
    product = graph.add("MatMulIntegerToFloat", inputs, f"{node.output[0]}_unit")
    graph.add("Mul", [product, top], node.output[0])


def _integer_lookup(graph: _Graph, node: onnx.NodeProto) -> None:
    """Look words up in an 8-bit table that has one scale per word."""
    name, ids = node.input[0], node.input[1]
    table = graph.get(name)
    steps = np.maximum(np.abs(table).max(1, keepdims=True), TINY) / 127
    words, scales = graph.put(f"{name}_q", np.rint(table / steps).astype(np.int8)), f"{name}_scale"
    graph.put(scales, steps.astype(np.float32))
    found = graph.add("Gather", [words, ids], f"{node.output[0]}_q")
    found = graph.add("Cast", [found], f"{node.output[0]}_cast", to=onnx.TensorProto.FLOAT)
    steps_found = graph.add("Gather", [scales, ids], f"{node.output[0]}_scale")
    graph.add("Mul", [found, steps_found], node.output[0])


def quantize(source_path: Path, target_path: Path, feeds: Sequence[Feed]) -> None:
    """Turn a graph of `graph.export_onnx` into 8-bit integers, one scale per token.

    `feeds` are some tokenised texts, about 100, of the kind that will be encoded:
    they only decide how outlier channels are evened out.
    """
    graph = _Graph(onnx.load(source_path))
    products = graph.products()
    if not products or not feeds:
        raise ValueError("nothing to quantize, or no texts to measure")
    reach = _reach(graph, feeds)
    rows: dict[str, tuple[tuple[str, str], FloatArray]] = {}
    for node in graph.model.graph.node:
        source = node.input[0] if node.input else ""
        if any(node is product for product in products.get(source, [])):
            if source not in rows:
                smooth, factor = _smooth(graph, source, products[source], reach[source])
                rows[source] = _quantize_rows(graph, smooth), factor
            _integer_product(graph, node, *rows[source])
        elif node.op_type == "Gather" and node.input[0] in graph.weights and node.input[1] == "input_ids":
            _integer_lookup(graph, node)
        else:
            graph.nodes.append(node)
    onnx.save(graph.finish(), target_path)
