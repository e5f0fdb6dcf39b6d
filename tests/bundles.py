"""A bundle made in milliseconds, without torch: the mean of random word vectors, so that shared words bring texts near.

Real in all but its weights: an ONNX graph, a WordPiece tokenizer, a sealed manifest.
"""

import json
from collections.abc import Sequence
from pathlib import Path
from string import ascii_lowercase, digits

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers

from app.encoding import bundle
from app.ranking.calibration import Calibration
from app.ranking.ranking import Ranking

DIMENSION = 64
VOCABULARY = """
a an and are at be by can change delivery do does email for free get gift how i in
is it key lost money my no not of on or order password pay pets ping refund reset return send
ship spam the to track turnip want what when where which who why will with wolf you your
""".split()  # noqa: SIM905 - a list of words reads best as a text


def make(
    directory: Path, seed: int = 0, answers_seed: int | None = None, heldout: Sequence[bundle.HeldOut] = ()
) -> bundle.Bundle:
    """Write a bundle into `directory`; another seed is another model, and `answers_seed` one of its own for answers."""
    directory.mkdir(parents=True, exist_ok=True)
    tokenizer = _tokenizer()
    tokenizer.save(str(directory / bundle.TOKENIZER))
    onnx.save(graph(tokenizer.get_vocab_size(), seed), str(directory / bundle.MODEL))
    if answers_seed is not None:
        onnx.save(graph(tokenizer.get_vocab_size(), answers_seed), str(directory / bundle.ANSWERS))
    calibration = Calibration(bias=-6.0, score_weight=10.0, margin_weight=4.0, threshold=0.5)
    (directory / bundle.RANKING).write_text(
        Ranking(question_weight=0.7, lexical_weight=0.01, calibration=calibration).model_dump_json()
    )
    (directory / bundle.HELDOUT).write_text("".join(json.dumps(question._asdict()) + "\n" for question in heldout))
    encoding = bundle.Encoding(dimension=DIMENSION, max_tokens=64)
    bundle.seal(directory, encoding=encoding, base_model="words", recipe="none", created_at="2026-01-01T00:00:00Z")
    return bundle.Bundle.load(directory)


def _tokenizer() -> Tokenizer:
    tokenizer = Tokenizer(models.WordPiece(_pieces(), unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    return tokenizer


def _pieces() -> dict[str, int]:
    """Words, characters, and pairs of letters that begin a word; not trained, as training differs by process."""
    pairs = [a + b for a in ascii_lowercase for b in ascii_lowercase]
    characters = [*ascii_lowercase, *digits, *"?!.,'-"]
    pieces = ["[PAD]", "[UNK]", *VOCABULARY, *characters, *(f"##{character}" for character in characters), *pairs]
    return {piece: number for number, piece in enumerate(dict.fromkeys(pieces))}


def graph(words: int, seed: int) -> onnx.ModelProto:
    """The mean of a random vector for each of so many words."""
    weights = np.random.default_rng(seed).standard_normal((words, DIMENSION)).astype(np.float32)
    initializers = [
        numpy_helper.from_array(weights, "words"),
        numpy_helper.from_array(np.array([1], dtype=np.int64), "tokens_axis"),
        numpy_helper.from_array(np.array([2], dtype=np.int64), "width_axis"),
    ]
    nodes = [
        helper.make_node("Gather", ["words", "input_ids"], ["embedded"]),
        helper.make_node("Cast", ["attention_mask"], ["mask"], to=TensorProto.FLOAT),
        helper.make_node("Unsqueeze", ["mask", "width_axis"], ["wide_mask"]),
        helper.make_node("Mul", ["embedded", "wide_mask"], ["kept"]),
        helper.make_node("ReduceSum", ["kept", "tokens_axis"], ["sum"], keepdims=0),
        helper.make_node("LpNormalization", ["sum"], ["sentence_embedding"], axis=1, p=2),
    ]
    inputs = [
        helper.make_tensor_value_info(name, TensorProto.INT64, ["batch", "tokens"])
        for name in ("input_ids", "attention_mask")
    ]
    output = helper.make_tensor_value_info("sentence_embedding", TensorProto.FLOAT, ["batch", DIMENSION])
    graph = helper.make_graph(nodes, "words", inputs, [output], initializers)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
