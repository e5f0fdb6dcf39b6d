"""Dynamic int8 quantization of an encoder's ONNX graph: its MatMul nodes and its token embedding table.

The graph computes one activation scale per token, so a text's embedding does not depend on the rest of its batch.
ONNX Runtime's own dynamic quantization uses one scale for the whole batch, so there it does depend on it.
Outlier channels are smoothed as in SmoothQuant (Xiao et al. 2022, arXiv 2211.10438).
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

from app.encoding.encoder import Encoder
from app.graphs.bert import CONTRIB_DOMAIN

FloatArray = npt.NDArray[np.float32]

SMOOTHING = 0.7
"""SmoothQuant's alpha: how much of the outliers moves from the activations to the weights."""
SCALE, ZERO_POINT = 1 / 127, 128
"""Of activations, which the graph first divides into [-1, 1]."""
TINY = 1e-6

Feed = dict[str, npt.NDArray[np.int64]]
"""One batch of model inputs by name, (batch, tokens) each: `input_ids` and `attention_mask`."""


@dataclass
class _Graph:
    """An ONNX graph and the nodes that replace its own."""

    model: onnx.ModelProto
    initializers: dict[str, onnx.TensorProto] = field(init=False)
    producers: dict[str, onnx.NodeProto] = field(init=False)
    nodes: list[onnx.NodeProto] = field(init=False, default_factory=list)

    def __post_init__(self) -> None:
        """Index the initializers and the nodes by the names of their outputs."""
        self.initializers = {tensor.name: tensor for tensor in self.model.graph.initializer}
        self.producers = {name: node for node in self.model.graph.node for name in node.output}

    def value(self, name: str) -> npt.NDArray[Any]:
        """The value of an initializer."""
        return numpy_helper.to_array(self.initializers[name])

    def add_initializer(self, name: str, value: npt.NDArray[Any] | np.generic) -> str:
        """Add an initializer unless the name is taken. Returns the name."""
        self.initializers.setdefault(name, numpy_helper.from_array(np.asarray(value), name))
        return name

    def add_node(self, op_type: str, inputs: list[str], output: str, **attributes: int) -> str:
        """Append a node with one output. Returns the output's name."""
        domain = CONTRIB_DOMAIN if op_type == "MatMulIntegerToFloat" else ""
        node = helper.make_node(op_type, inputs, [output], name=output, domain=domain, **attributes)  # type: ignore[arg-type]
        self.nodes.append(node)
        return output

    def matmuls(self) -> dict[str, list[onnx.NodeProto]]:
        """The MatMul nodes whose weight is a 2-D initializer, grouped by the name of their first input."""
        matmuls: dict[str, list[onnx.NodeProto]] = {}
        for node in self.model.graph.node:
            weight = self.initializers.get(node.input[1]) if node.op_type == "MatMul" else None
            if weight is not None and len(weight.dims) == 2:
                matmuls.setdefault(node.input[0], []).append(node)
        return matmuls

    def finish(self) -> onnx.ModelProto:
        """The model with the new nodes and only the initializers that they use."""
        graph = self.model.graph
        used = {name for node in self.nodes for name in node.input}
        del graph.node[:], graph.initializer[:], graph.value_info[:]
        graph.node.extend(self.nodes)
        graph.initializer.extend(tensor for name, tensor in self.initializers.items() if name in used)
        if all(opset.domain != CONTRIB_DOMAIN for opset in self.model.opset_import):
            self.model.opset_import.append(helper.make_opsetid(CONTRIB_DOMAIN, 1))
        return self.model


def _activation_ranges(graph: _Graph, feeds: Sequence[Feed]) -> dict[str, FloatArray]:
    """The largest absolute activation of each channel, (channels,), by MatMul input, without padding tokens."""
    names = list(graph.matmuls())
    probe = onnx.ModelProto()
    probe.CopyFrom(graph.model)
    probe.graph.output.extend(helper.make_empty_tensor_value_info(name) for name in names)
    session = onnxruntime.InferenceSession(probe.SerializeToString(), providers=["CPUExecutionProvider"])
    ranges: dict[str, FloatArray] = {}
    for feed in feeds:
        real = feed["attention_mask"] > 0
        for name, value in zip(names, session.run(names, feed), strict=True):
            ranges[name] = np.maximum(ranges.get(name, TINY), np.abs(value[real]).max(0))
    return ranges


def _smooth(graph: _Graph, source: str, matmuls: list[onnx.NodeProto], ranges: FloatArray) -> tuple[str, FloatArray]:
    """Divide each channel of `source` by a factor, so that outlier channels do not use up the 8 bits (SmoothQuant).

    Returns the name of the smoothed input and the factors, (channels,). The caller multiplies the weights by them,
    which leaves the product unchanged. Only the output of a LayerNormalization is smoothed; elsewhere smoothing did
    not help when measured, and the factors are 1.
    """
    node = graph.producers.get(source)
    if node is None or node.op_type != "LayerNormalization" or source != node.output[0]:
        return source, np.ones(len(ranges), np.float32)
    weight = np.maximum(np.max([np.abs(graph.value(matmul.input[1])).max(1) for matmul in matmuls], 0), TINY)
    factor = ranges**SMOOTHING / weight ** (1 - SMOOTHING)
    factor = (factor / np.exp(np.log(factor).mean())).astype(np.float32)
    return graph.add_node(
        "Mul", [source, graph.add_initializer(f"{source}_smoothing", 1 / factor)], f"{source}_smooth"
    ), factor


def _quantize_tokens(graph: _Graph, source: str) -> tuple[str, str]:
    """Divide each token by its largest absolute value, then quantize it to uint8.

    Returns the names of the quantized tokens and of the largest values. For a token of zeros 0 / 0 quantizes to an
    arbitrary number, which `_integer_matmul` multiplies by 0.
    """
    axis = graph.add_initializer("last_axis", np.array([-1], np.int64))
    scale, zero_point = (
        graph.add_initializer("token_scale", np.float32(SCALE)),
        graph.add_initializer("token_zero_point", np.uint8(ZERO_POINT)),
    )
    absolute = graph.add_node("Abs", [source], f"{source}_abs")
    largest = graph.add_node("ReduceMax", [absolute, axis], f"{source}_max", keepdims=1)
    unit = graph.add_node("Div", [source, largest], f"{source}_unit")
    return graph.add_node("QuantizeLinear", [unit, scale, zero_point], f"{source}_q"), largest


def _integer_matmul(graph: _Graph, node: onnx.NodeProto, tokens: tuple[str, str], factors: FloatArray) -> None:
    """Replace a MatMul by one of int8 weights, with one scale per column, and quantized tokens."""
    name, (quantized, largest) = node.input[1], tokens
    weight = graph.value(name) * factors[:, None]
    scales = np.maximum(np.abs(weight).max(0), TINY) / 127
    graph.add_initializer(f"{name}_q", np.rint(weight / scales).astype(np.int8))
    graph.add_initializer(f"{name}_scale", scales.astype(np.float32))
    inputs = [quantized, f"{name}_q", "token_scale", f"{name}_scale", "token_zero_point"]
    product = graph.add_node("MatMulIntegerToFloat", inputs, f"{node.output[0]}_unit")
    graph.add_node("Mul", [product, largest], node.output[0])


def _integer_lookup(graph: _Graph, node: onnx.NodeProto) -> None:
    """Replace a Gather of token embeddings by one from an int8 table, with one scale per token."""
    (name, ids), output = node.input, node.output[0]
    table = graph.value(name)
    scales = np.maximum(np.abs(table).max(1, keepdims=True), TINY) / 127
    quantized = graph.add_initializer(f"{name}_q", np.rint(table / scales).astype(np.int8))
    rows = graph.add_node("Gather", [quantized, ids], f"{output}_q")
    rows = graph.add_node("Cast", [rows], f"{output}_cast", to=onnx.TensorProto.FLOAT)
    scale = graph.add_initializer(f"{name}_scale", scales.astype(np.float32))
    row_scales = graph.add_node("Gather", [scale, ids], f"{output}_scale")
    graph.add_node("Mul", [rows, row_scales], output)


def feeds(encoder: Encoder, texts: Sequence[str]) -> list[Feed]:
    """The texts as inputs of the encoder's graph, one text each."""
    tokens = (np.array([text.ids], dtype=np.int64) for text in encoder.tokenize(texts))
    return [{"input_ids": ids, "attention_mask": np.ones_like(ids)} for ids in tokens]


def quantize(source_path: Path, target_path: Path, feeds: Sequence[Feed]) -> None:
    """Write the graph at `source_path`, of an encoder, to `target_path` in int8.

    `feeds` are about 100 tokenized texts of the kind that the service will encode; only the smoothing of outlier
    channels depends on them. Raises ValueError without feeds or without a MatMul to quantize.
    """
    graph = _Graph(onnx.load(source_path))
    matmuls = graph.matmuls()
    if not matmuls or not feeds:
        raise ValueError("Quantization needs a graph with MatMul nodes and at least one text.")
    ranges = _activation_ranges(graph, feeds)
    inputs: dict[str, tuple[tuple[str, str], FloatArray]] = {}  # of MatMul nodes: quantized tokens and factors
    for node in graph.model.graph.node:
        source = node.input[0] if node.input else ""
        if node in matmuls.get(source, []):
            if source not in inputs:
                smooth, factors = _smooth(graph, source, matmuls[source], ranges[source])
                inputs[source] = _quantize_tokens(graph, smooth), factors
            _integer_matmul(graph, node, *inputs[source])
        elif node.op_type == "Gather" and node.input[0] in graph.initializers and node.input[1] == "input_ids":
            _integer_lookup(graph, node)
        else:
            graph.nodes.append(node)
    onnx.save(graph.finish(), target_path)
