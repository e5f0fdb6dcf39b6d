"""Which models can be exported; the others are refused before any training."""

from pathlib import Path

import numpy as np
import onnxruntime as ort
import pytest
import torch
from sentence_transformers import SentenceTransformer
from sentence_transformers.base.modules.dense import Dense
from sentence_transformers.sentence_transformer.modules import Pooling, Transformer
from transformers import AutoTokenizer, ModernBertConfig, ModernBertModel, PreTrainedModel, Qwen2Config, Qwen2Model

from app.errors import InputError
from app.graphs.packaged import packaged
from tests.trainer.conftest import faq, write_faq
from trainer import fit, runs
from trainer.export import export, exportable, graph
from trainer.recipes import RECIPES
from trainer.training import model

SIZES = {"hidden_size": 32, "num_hidden_layers": 3, "num_attention_heads": 2, "intermediate_size": 64}


def base(directory: Path, transformer: PreTrainedModel, max_tokens: int) -> Path:
    """A sentence encoder of that transformer, in a directory."""
    transformer.save_pretrained(directory / "transformer")
    AutoTokenizer.from_pretrained(packaged()).save_pretrained(directory / "transformer")
    inside = Transformer(str(directory / "transformer"), max_seq_length=max_tokens)
    SentenceTransformer(modules=[inside, Pooling(32, "mean")]).save(str(directory / "st"))
    return directory / "st"


def modernbert(directory: Path, max_tokens: int) -> Path:
    """A ModernBERT of random weights, two of whose three layers attend to 8 tokens on either side."""
    torch.manual_seed(0)
    tokens = {"vocab_size": 30522, "pad_token_id": 0, "cls_token_id": 101, "sep_token_id": 102}
    config = ModernBertConfig(**SIZES, **tokens, local_attention=16)  # type: ignore[arg-type]
    return base(directory, ModernBertModel(config), max_tokens)


def test_sliding_window_attention_is_refused_by_name_before_training(tmp_path: Path) -> None:
    data = write_faq(tmp_path / "faq.jsonl", faq(40, 3))
    directory = modernbert(tmp_path, 64)
    with pytest.raises(InputError, match=r"modernbert, .* 8 nearest .*sliding-window attention.* 64 tokens.*--base"):
        fit.start(data, None, str(directory), RECIPES["default"], tmp_path / "run")
    run = runs.Run.find(str(tmp_path / "run"))
    assert run.status().step == 0
    with pytest.raises(InputError, match="sliding-window"):
        export.plain(model.load(str(directory), "cpu"), tmp_path / "bundle", base_model="tiny", recipe="base")


def test_a_window_that_no_text_exceeds_is_exported_exactly(tmp_path: Path) -> None:
    encoder = model.load(str(modernbert(tmp_path, 9)), "cpu")
    exportable.refuse_unexportable(encoder)
    graph.export_onnx(encoder, tmp_path / "model.onnx", 9)
    texts = ["one two three four five six seven", "one"]
    read = encoder.preprocess(texts)
    feed = {name: read[name].numpy() for name in ("input_ids", "attention_mask")}
    (exported,) = ort.InferenceSession(tmp_path / "model.onnx").run(None, feed)
    expected = encoder.encode(texts, normalize_embeddings=True, show_progress_bar=False)
    assert feed["input_ids"].shape == (2, 9)
    assert np.allclose(exported, expected, atol=1e-5)


@pytest.mark.parametrize(("kv_heads", "reason"), [(1, "grouped-query attention"), (2, "qwen2, .*causal attention")])
def test_other_attention_that_the_graph_does_not_compute_is_refused(kv_heads: int, reason: str, tmp_path: Path) -> None:
    config = Qwen2Config(**SIZES, num_key_value_heads=kv_heads, vocab_size=30522)  # type: ignore[arg-type]
    encoder = model.load(str(base(tmp_path, Qwen2Model(config), 64)), "cpu")
    with pytest.raises(InputError, match=reason):
        exportable.refuse_unexportable(encoder)


@pytest.mark.parametrize("pooling", ["mean", "cls"])
def test_the_built_graph_of_a_bert_model_gives_the_embeddings_of_the_traced_one(
    pooling: str, tiny_base: Path, tmp_path: Path
) -> None:
    encoder = model.load(str(tiny_base), "cpu")
    width = int(encoder.get_embedding_dimension() or 0)
    torch.manual_seed(1)
    linear = Dense(width, width, activation_function=torch.nn.Identity(), use_residual=True)
    narrow = Dense(width, 8, bias=False, activation_function=torch.nn.Identity())
    encoder = SentenceTransformer(modules=[encoder[0], Pooling(width, pooling), linear, narrow], device="cpu")
    graph.export_onnx(encoder, tmp_path / "built", 32)
    graph.traced(encoder, tmp_path / "traced", 32)
    ids = np.array([[5, 9, 7, 6], [5, 6, 0, 0]])
    feed = {"input_ids": ids, "attention_mask": (ids > 0).astype(np.int64)}
    built, traced = (ort.InferenceSession(tmp_path / name).run(None, feed)[0] for name in ("built", "traced"))
    assert built.shape == (2, 8)
    np.testing.assert_allclose(built, traced, atol=1e-6)


def test_a_model_with_another_activation_is_traced(tiny_base: Path, tmp_path: Path) -> None:
    encoder = model.load(str(tiny_base), "cpu")
    width = int(encoder.get_embedding_dimension() or 0)
    dense = Dense(width, width, activation_function=torch.nn.Tanh())
    encoder = SentenceTransformer(modules=[encoder[0], encoder[1], dense], device="cpu")
    graph.export_onnx(encoder, tmp_path / "model.onnx", 32)
    texts = ["one two three", "one"]
    read = encoder.preprocess(texts)
    feed = {name: read[name].numpy() for name in ("input_ids", "attention_mask")}
    (embeddings,) = ort.InferenceSession(tmp_path / "model.onnx").run(None, feed)
    expected = encoder.encode(texts, normalize_embeddings=True, show_progress_bar=False)
    np.testing.assert_allclose(embeddings, expected, atol=1e-5)
