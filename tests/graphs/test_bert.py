"""Which models a graph is built for; that it computes what torch does is tested with the trainer's export."""

import numpy as np
import onnxruntime as ort
import pytest

from app.graphs.bert import Weights, sentence_encoder, unsupported

CONFIG = {"hidden_size": 8, "num_hidden_layers": 1, "num_attention_heads": 2, "layer_norm_eps": 1e-12}
SHAPES = {
    "embeddings.word_embeddings.weight": (20, 8),
    "embeddings.position_embeddings.weight": (6, 8),
    "embeddings.token_type_embeddings.weight": (2, 8),
    **{f"embeddings.LayerNorm.{part}": (8,) for part in ("weight", "bias")},
    **{
        f"encoder.layer.0.{layer}.{part}": shape if part == "weight" else shape[:1]
        for layer, shape in {
            "attention.self.query": (8, 8),
            "attention.self.key": (8, 8),
            "attention.self.value": (8, 8),
            "attention.output.dense": (8, 8),
            "attention.output.LayerNorm": (8,),
            "intermediate.dense": (16, 8),
            "output.dense": (8, 16),
            "output.LayerNorm": (8,),
        }.items()
        for part in ("weight", "bias")
    },
}


@pytest.fixture
def weights() -> Weights:
    rng = np.random.default_rng(0)
    return {name: rng.standard_normal(shape).astype(np.float32) for name, shape in SHAPES.items()}


@pytest.mark.parametrize("pooling", ["mean", "cls"])
def test_padding_and_the_rest_of_a_batch_do_not_change_an_embedding(pooling: str, weights: Weights) -> None:
    session = ort.InferenceSession(sentence_encoder(CONFIG, weights, pooling).SerializeToString())  # type: ignore[arg-type]
    ids = np.array([[1, 5, 2, 0, 0], [1, 7, 9, 3, 2]])
    together = session.run(None, {"input_ids": ids, "attention_mask": np.where(ids > 0, 1, 0)})[0]
    (alone,) = session.run(None, {"input_ids": ids[:1, :3], "attention_mask": np.ones((1, 3), np.int64)})
    np.testing.assert_allclose(together[0], alone[0], atol=1e-5)
    np.testing.assert_allclose(np.linalg.norm(together, axis=1), 1, atol=1e-5)
    assert abs(together[0] @ together[1]) < 0.999


@pytest.mark.parametrize(
    ("stated", "reason"),
    [
        ({"model_type": "roberta"}, "model_type is 'roberta'"),
        ({"hidden_act": "relu"}, "hidden_act is 'relu'"),
        ({"position_embedding_type": "relative_key"}, "position_embedding_type"),
        ({"is_decoder": True}, "is_decoder"),
    ],
)
def test_another_architecture_is_refused_by_name(stated: dict[str, object], reason: str, weights: Weights) -> None:
    assert reason in str(unsupported({**CONFIG, **stated}))
    with pytest.raises(ValueError, match=reason):
        sentence_encoder({**CONFIG, **stated}, weights, "mean")


def test_a_missing_parameter_is_named(weights: Weights) -> None:
    rest = {name: value for name, value in weights.items() if name != "encoder.layer.0.output.dense.bias"}
    with pytest.raises(KeyError, match=r"encoder\.layer\.0\.output\.dense\.bias"):
        sentence_encoder(CONFIG, rest, "mean")
