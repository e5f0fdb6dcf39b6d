"""Pairs to scores: a cross-encoder made in milliseconds, which counts the words that question and text share."""

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from tokenizers import Tokenizer
from tokenizers.processors import TemplateProcessing

from app.encoding import bundle as bundles
from app.encoding.bundle import Bundle, Reranking
from app.errors import BundleError
from app.ranking.ranking import Ranking
from app.ranking.reranker import PairTokenizer, Reranker, candidate_text
from tests.bundles import make

SETTINGS = Reranking(max_tokens=16, with_question=True)
FIELDS = {"base_model": "words", "recipe": "none", "created_at": "2026-01-01T00:00:00Z"}


def graph() -> onnx.ModelProto:
    """The mean of the text's token ids, where the token type is 1: it depends on every token and on no padding."""
    nodes = [
        helper.make_node("Mul", ["attention_mask", "token_type_ids"], ["kept"]),
        helper.make_node("Mul", ["kept", "input_ids"], ["ids"]),
        helper.make_node("ReduceSum", ["ids", "axis"], ["sum"], keepdims=0),
        helper.make_node("ReduceSum", ["kept", "axis"], ["count"], keepdims=0),
        helper.make_node("Cast", ["sum"], ["sum_float"], to=TensorProto.FLOAT),
        helper.make_node("Cast", ["count"], ["count_float"], to=TensorProto.FLOAT),
        helper.make_node("Div", ["sum_float", "count_float"], ["logits"]),
    ]
    names = ("input_ids", "attention_mask", "token_type_ids")
    inputs = [helper.make_tensor_value_info(name, TensorProto.INT64, ["batch", "tokens"]) for name in names]
    output = helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["batch"])
    axis = numpy_helper.from_array(np.array([1], dtype=np.int64), "axis")
    made = helper.make_graph(nodes, "mean", inputs, [output], [axis])
    return helper.make_model(made, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)


@pytest.fixture
def reranking(tmp_path: Path) -> Bundle:
    """The small bundle with a reranker."""
    made = make(tmp_path / "bundle")
    tokenizer = Tokenizer.from_file(str(made.directory / bundles.TOKENIZER))
    tokenizer.post_processor = TemplateProcessing("[PAD] $A", "$A [PAD] $B:1", [("[PAD]", 0)])
    tokenizer.save(str(made.directory / bundles.TOKENIZER))
    onnx.save(graph(), made.directory / bundles.RERANKER)
    bundles.seal(made.directory, encoding=made.manifest.encoding, reranker=SETTINGS, **FIELDS)
    return Bundle.load(made.directory)


def test_a_score_for_each_text_in_order_whatever_the_others(reranking: Bundle) -> None:
    reranker = Reranker.of(reranking, threads=1)
    texts = ["refund", "a wolf and a turnip", "spam " * 40, "money", "key"] * 5
    together = reranker.scores("what is free", texts)
    assert together.shape == (25,)
    assert together.dtype == np.float32
    for text, score in zip(texts[:5], together, strict=False):
        np.testing.assert_allclose(reranker.scores("what is free", [text])[0], score, atol=1e-6)
    assert len(reranker.scores("what", [])) == 0


def test_the_text_is_cut_before_the_question(reranking: Bundle) -> None:
    reader = PairTokenizer(Tokenizer.from_file(str(reranking.directory / bundles.TOKENIZER)), 16)
    short, long = reader.tokenize("what is free", ["refund", "spam " * 40])
    assert short.tokens == ["what", "is", "free", "[PAD]", "refund"]
    assert long.tokens == ["what", "is", "free", "[PAD]", *["spam"] * 12]
    assert long.type_ids == [0] * 4 + [1] * 12
    (both,) = reader.tokenize("ping " * 40, ["spam " * 40])
    assert both.tokens == [*["ping"] * 7, "[PAD]", *["spam"] * 8]


def test_what_is_scored_of_an_entry(reranking: Bundle) -> None:
    payloads = [{"question": "Why?", "answer": "Because."}, {"question": "", "answer": "So."}]
    assert Reranker.of(reranking).texts(payloads) == ["Why?\nBecause.", "So."]
    assert candidate_text("", "Because.", True) == candidate_text("Why?", "Because.", False) == "Because."


def test_a_bundle_without_one_says_so(bundle: Bundle) -> None:
    assert bundle.manifest.reranker is None
    with pytest.raises(BundleError, match=r"has no reranker; .*--reranker"):
        Reranker.of(bundle)


def test_a_sealed_file_that_is_no_graph_is_refused(reranking: Bundle) -> None:
    (reranking.directory / bundles.RERANKER).write_bytes(b"no graph")
    bundles.seal(reranking.directory, encoding=reranking.manifest.encoding, reranker=SETTINGS, **FIELDS)
    with pytest.raises(BundleError, match=r"reranker\.onnx cannot be run"):
        Reranker.of(Bundle.load(reranking.directory))


def test_a_bundle_without_one_keeps_the_revision_it_always_had(bundle: Bundle) -> None:
    files = {name: str(i) for i, name in enumerate(bundles.FILES)}
    encoding = bundles.Encoding(dimension=384, max_tokens=256, precision="int8")
    assert bundles._revision(encoding, files, None) == "1a3c172c44b9"
    (bundle.directory / bundles.RERANKER).touch()  # which the manifest does not name
    assert Bundle.load(bundle.directory).revision == bundle.revision
    (bundle.directory / bundles.RERANKER).unlink()


def test_it_is_part_of_the_revision(reranking: Bundle) -> None:
    def sealed(reranker: Reranking | None) -> str:
        encoding = reranking.manifest.encoding
        return bundles.seal(reranking.directory, encoding=encoding, reranker=reranker, **FIELDS).revision

    revisions = {sealed(None), sealed(SETTINGS), sealed(SETTINGS.model_copy(update={"with_question": False}))}
    with (reranking.directory / bundles.RERANKER).open("ab") as file:
        file.write(b"\0")
    assert len(revisions | {sealed(SETTINGS)}) == 4


def test_a_damaged_or_missing_one_is_refused_and_installing_copies_it(reranking: Bundle, tmp_path: Path) -> None:
    installed = reranking.install(tmp_path / "models")
    assert (installed.directory / bundles.RERANKER).is_file()
    (installed.directory / bundles.RERANKER).write_bytes(b"damaged")
    with pytest.raises(BundleError, match=r"reranker\.onnx is not the file that was exported"):
        Bundle.load(installed.directory)
    (installed.directory / bundles.RERANKER).unlink()
    with pytest.raises(BundleError, match=r"reranker\.onnx is missing"):
        Bundle.load(installed.directory)


def test_one_that_the_manifest_no_longer_names_is_missed(reranking: Bundle) -> None:
    path = reranking.directory / bundles.MANIFEST
    manifest = reranking.manifest.model_dump()
    del manifest["files"][bundles.RERANKER]
    manifest["reranker"] = None
    path.write_text(bundles.Manifest.model_validate(manifest).model_dump_json())
    with pytest.raises(BundleError, match="its revision does not follow from its files"):
        Bundle.load(reranking.directory)


def test_a_ranking_that_knows_no_reranker_is_read_as_before(bundle: Bundle) -> None:
    known = (
        '{"question_weight": 0.5, "calibration": {"bias": 0, "score_weight": 1, "margin_weight": 1, "threshold": 0.5}}'
    )
    assert Ranking.model_validate_json(known).reranker_weight is None
    assert "reranker" not in Ranking.model_validate_json(known).model_dump_json(exclude_none=True)


def test_threads_sleep_while_there_is_nothing_to_do(reranking: Bundle) -> None:
    reranker = Reranker.of(reranking, threads=2)
    options = reranker.session.get_session_options()
    assert options.get_session_config_entry("session.intra_op.allow_spinning") == "0"
    assert options.intra_op_num_threads == 2
