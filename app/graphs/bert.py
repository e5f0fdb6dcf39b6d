"""The ONNX graph of a BERT sentence encoder, built from its configuration and its weights, without torch.

The graph reads `input_ids` and `attention_mask`, (batch, sequence) int64, and gives `sentence_embedding`,
(batch, dimension) float32 of unit length. Attention is ONNX Runtime's fused MultiHeadAttention on one packed projection
of query, key and value. The architecture is that of Devlin et al. 2018, arXiv 1810.04805.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Literal, NamedTuple

import numpy as np
import numpy.typing as npt
import onnx
from onnx import TensorProto, helper, numpy_helper

Array = npt.NDArray[np.float32]
Weights = Mapping[str, Array]
Pooling = Literal["mean", "cls"]

OPSET = 20  # the first with Gelu
IR_VERSION = 10  # the newest that onnxruntime 1.22 reads
CONTRIB_DOMAIN = "com.microsoft"
LEAST_LENGTH = 1e-12  # of an embedding that is divided by its length
_STATED: dict[str, tuple[object, ...]] = {  # what the configuration must say; the first is the default
    "model_type": ("bert",),
    "hidden_act": ("gelu",),
    "position_embedding_type": ("absolute", None),
    "is_decoder": (False,),
    "add_cross_attention": (False,),
}


class Linear(NamedTuple):
    """A layer x -> x @ weight + bias. `weight` is (inputs, outputs), `bias` (outputs,)."""

    weight: Array
    bias: Array


def unsupported(config: Mapping[str, Any]) -> str | None:
    """Why no graph can be built for a configuration (config.json of a model), or None if one can."""
    for name, accepted in _STATED.items():
        if (value := config.get(name, accepted[0])) not in accepted:
            return f"its {name} is {value!r}, not {accepted[0]!r}"
    return None


def sentence_encoder(
    config: Mapping[str, Any], weights: Weights, pooling: Pooling, layers: Sequence[Linear] = ()
) -> onnx.ModelProto:
    """The graph of a BERT model with pooling and then `layers`.

    `config`: config.json of the model. `weights`: its parameters by their names in a checkpoint, such as
    `embeddings.LayerNorm.weight`. Raises ValueError for a configuration that is not supported, KeyError naming a
    parameter that is missing.
    """
    if reason := unsupported(config):
        raise ValueError(reason)
    graph = _Graph(weights)
    hidden = _embeddings(graph, config)
    graph.add("Cast", ["attention_mask"], "keys", to=TensorProto.INT32)
    for number in range(config["num_hidden_layers"]):
        hidden = _block(graph, config, f"encoder.layer.{number}", hidden)
    pooled = _pooled(graph, hidden, pooling)
    for number, layer in enumerate(layers):
        pooled = graph.gemm(f"dense.{number}", pooled, layer)
    _normalize(graph, pooled)
    return graph.model(layers[-1].weight.shape[1] if layers else config["hidden_size"])


class _Graph:
    """The nodes and the constants of a graph, in the order in which they are added."""

    def __init__(self, weights: Weights) -> None:
        self.weights = weights
        self._nodes: list[onnx.NodeProto] = []
        self._constants: dict[str, onnx.TensorProto] = {}

    def add(self, operator: str, inputs: Sequence[str], output: str, **attributes: Any) -> str:  # noqa: ANN401 - of onnx
        """Append a node. Returns the name of its output."""
        self._nodes.append(helper.make_node(operator, inputs, [output], name=output, **attributes))
        return output

    def split(self, source: str, outputs: Sequence[str]) -> None:
        """Append a node that splits the last axis into equal parts."""
        self._nodes.append(helper.make_node("Split", [source], outputs, axis=-1, num_outputs=len(outputs)))

    def constant(self, name: str, value: npt.NDArray[Any]) -> str:
        """Add a constant. Returns its name."""
        self._constants[name] = numpy_helper.from_array(np.asarray(value, order="C"), name)
        return name

    def weight(self, name: str) -> str:
        """Add a parameter of the model as a constant."""
        return self.constant(name, self.weights[name])

    def linear(self, name: str, source: str, layer: Linear) -> str:
        """Append a linear layer."""
        weight, bias = self.constant(f"{name}.weight", layer.weight), self.constant(f"{name}.bias", layer.bias)
        return self.add("Add", [self.add("MatMul", [source, weight], f"{name}.product"), bias], f"{name}.output")

    def gemm(self, name: str, source: str, layer: Linear) -> str:
        """Append a linear layer on pooled vectors. It stays in 32-bit floats: only MatMul nodes are quantized."""
        weight, bias = self.constant(f"{name}.weight", layer.weight), self.constant(f"{name}.bias", layer.bias)
        return self.add("Gemm", [source, weight, bias], f"{name}.output")

    def dense(self, name: str, source: str) -> str:
        """Append a linear layer of the model."""
        return self.linear(name, source, self.layer(name))

    def layer(self, name: str) -> Linear:
        """A linear layer of the model. Checkpoints store the weight as (outputs, inputs)."""
        return Linear(self.weights[f"{name}.weight"].T, self.weights[f"{name}.bias"])

    def layer_norm(self, name: str, source: str, epsilon: float) -> str:
        """Append a layer normalization of the model."""
        inputs = [source, self.weight(f"{name}.weight"), self.weight(f"{name}.bias")]
        return self.add("LayerNormalization", inputs, f"{name}.output", axis=-1, epsilon=epsilon)

    def model(self, dimension: int) -> onnx.ModelProto:
        """The finished model, checked."""
        inputs = [
            helper.make_tensor_value_info(name, TensorProto.INT64, ["batch", "sequence"])
            for name in ("input_ids", "attention_mask")
        ]
        output = helper.make_tensor_value_info("sentence_embedding", TensorProto.FLOAT, ["batch", dimension])
        graph = helper.make_graph(self._nodes, "encoder", inputs, [output], list(self._constants.values()))
        imports = [helper.make_opsetid("", OPSET), helper.make_opsetid(CONTRIB_DOMAIN, 1)]
        return helper.make_model(graph, opset_imports=imports, ir_version=IR_VERSION)


def _embeddings(graph: _Graph, config: Mapping[str, Any]) -> str:
    """Words plus positions. All tokens have type 0, whose embedding is added to that of every position."""
    positions = graph.weights["embeddings.position_embeddings.weight"]
    positions = positions + graph.weights["embeddings.token_type_embeddings.weight"][0]
    words = graph.add("Gather", [graph.weight("embeddings.word_embeddings.weight"), "input_ids"], "words")
    length = graph.add("Shape", ["input_ids"], "length", start=1, end=2)
    zero, axis = graph.constant("zero", np.array([0])), graph.constant("first_axis", np.array([0]))
    table = graph.constant("embeddings.positions", positions)
    places = graph.add("Slice", [table, zero, length, axis], "places")
    added = graph.add("Add", [words, places], "embedded")
    return graph.layer_norm("embeddings.LayerNorm", added, config["layer_norm_eps"])


def _block(graph: _Graph, config: Mapping[str, Any], name: str, hidden: str) -> str:
    """One layer: attention, then two linear layers; each with a residual connection and a layer normalization."""
    epsilon = config["layer_norm_eps"]
    mixed = graph.dense(f"{name}.attention.output.dense", _attention(graph, config, name, hidden))
    added = graph.add("Add", [mixed, hidden], f"{name}.attention.sum")
    attended = graph.layer_norm(f"{name}.attention.output.LayerNorm", added, epsilon)
    wide = graph.add("Gelu", [graph.dense(f"{name}.intermediate.dense", attended)], f"{name}.gelu")
    added = graph.add("Add", [graph.dense(f"{name}.output.dense", wide), attended], f"{name}.sum")
    return graph.layer_norm(f"{name}.output.LayerNorm", added, epsilon)


def _attention(graph: _Graph, config: Mapping[str, Any], name: str, hidden: str) -> str:
    """Attention with one projection for query, key and value, so that one product takes the place of three."""
    parts = [graph.layer(f"{name}.attention.self.{part}") for part in ("query", "key", "value")]
    packed = Linear(*(np.concatenate(arrays, axis=-1) for arrays in zip(*parts, strict=True)))
    projected = graph.linear(f"{name}.attention.projection", hidden, packed)
    names = [f"{name}.{part}" for part in ("query", "key", "value")]
    graph.split(projected, names)
    inputs, heads = [*names, "", "keys"], config["num_attention_heads"]
    return graph.add("MultiHeadAttention", inputs, f"{name}.attention", domain=CONTRIB_DOMAIN, num_heads=heads)


def _pooled(graph: _Graph, hidden: str, pooling: Pooling) -> str:
    """The mean of the tokens that the mask keeps, or the first token; (batch, hidden size)."""
    if pooling == "cls":
        return graph.add("Gather", [hidden, graph.constant("first", np.array(0))], "pooled", axis=1)
    last = graph.constant("last_axis_of_mask", np.array([2]))
    tokens = graph.constant("token_axis", np.array([1]))
    mask = graph.add(
        "Cast", [graph.add("Unsqueeze", ["attention_mask", last], "wide_mask")], "mask", to=TensorProto.FLOAT
    )
    total = graph.add("ReduceSum", [graph.add("Mul", [hidden, mask], "kept"), tokens], "total", keepdims=0)
    return graph.add("Div", [total, graph.add("ReduceSum", [mask, tokens], "kept_tokens", keepdims=0)], "pooled")


def _normalize(graph: _Graph, pooled: str) -> None:
    axis = graph.constant("dimension_axis", np.array([1]))
    length = graph.add("ReduceL2", [pooled, axis], "embedding_length", keepdims=1)
    least = graph.constant("least_length", np.array(LEAST_LENGTH, dtype=np.float32))
    graph.add("Div", [pooled, graph.add("Max", [length, least], "divisor")], "sentence_embedding")
