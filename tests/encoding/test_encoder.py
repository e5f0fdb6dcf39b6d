"""Texts to vectors: shapes, windows, and independence of the batch."""

import shutil
from pathlib import Path

import numpy as np
import pytest

from app.encoding.bundle import ANSWERS, MODEL, Bundle, Encoding, seal
from app.encoding.encoder import MAX_WINDOWS, Encoder
from app.errors import BundleError
from tests import bundles

TEXTS = ["refund", "I lost my password, what can I do?", "delivery " * 20, "gift", "a wolf", "ping " * 40]


@pytest.fixture(scope="module")
def encoder(bundle: Bundle) -> Encoder:
    return Encoder(bundle, threads=1)


def test_vectors_are_of_unit_length(encoder: Encoder) -> None:
    vectors = encoder.encode_queries(TEXTS)
    assert vectors.shape == (6, 64)
    assert vectors.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)


def test_order_is_kept_and_the_batch_does_not_matter(encoder: Encoder) -> None:
    together = encoder.encode_queries(TEXTS * 12)
    for i, text in enumerate(TEXTS * 12):
        np.testing.assert_allclose(encoder.encode_queries([text])[0], together[i], atol=1e-6)


def test_one_at_a_time_where_the_bundle_asks_for_it(bundle: Bundle, encoder: Encoder) -> None:
    single = Encoder(bundle)
    single._batch = 1
    np.testing.assert_allclose(single.encode_queries(TEXTS), encoder.encode_queries(TEXTS), atol=1e-6)


def test_a_run_is_no_wider_than_its_bound_and_each_text_has_its_vector(
    encoder: Encoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    texts = ["refund " * count for count in (40, 1, 60, 20, 3)]
    tokens = encoder.tokenize(texts)
    monkeypatch.setattr("app.encoding.encoder.RUN_TOKENS", 50)
    order = sorted(range(5), key=lambda i: len(tokens[i].ids))
    runs = [list(run) for run in encoder._runs(order, tokens)]
    assert [i for run in runs for i in run] == order
    assert all(len(run) == 1 or len(run) * len(tokens[run[-1]].ids) <= 50 for run in runs)
    assert max(map(len, runs)) > 1
    alone = [encoder.encode_queries([text])[0] for text in texts]
    np.testing.assert_allclose(encoder.embed(tokens), alone, atol=1e-6)


def test_nothing_gives_nothing(encoder: Encoder) -> None:
    assert encoder.encode_queries([]).shape == (0, 64)
    assert encoder.encode_documents([]) == []


def test_a_long_answer_is_several_overlapping_windows(encoder: Encoder) -> None:
    short, long, huge = encoder.encode_documents(["refund", "delivery money " * 100, "wolf " * 25_000])
    assert short.shape == (1, 64)
    assert long.shape[0] == 1 + -(-(200 - 64) // (64 - 16))  # 200 tokens, windows of 64 that share 16
    assert huge.shape[0] == MAX_WINDOWS


def test_a_short_answer_is_encoded_as_a_question_would_be(encoder: Encoder) -> None:
    np.testing.assert_allclose(
        encoder.encode_documents(["gift fee"])[0], encoder.encode_queries(["gift fee"]), atol=1e-6
    )


def test_prefixes_keep_the_two_sides_apart(bundle: Bundle) -> None:
    encoder = Encoder(bundle)
    encoder.encoding = encoder.encoding.model_copy(update={"question_prefix": "what ", "answer_prefix": "spam "})
    plain = Encoder(bundle)
    np.testing.assert_allclose(encoder.encode_queries(["fee"]), plain.encode_queries(["what fee"]))
    np.testing.assert_allclose(encoder.encode_documents(["fee"])[0], plain.encode_queries(["spam fee"]))


def one_sided(both: Bundle, directory: Path, graph: str) -> Bundle:
    """One graph of the two as a bundle of its own."""
    shutil.copytree(both.directory, directory)
    (directory / graph).replace(directory / MODEL)
    (directory / ANSWERS).unlink(missing_ok=True)
    seal(directory, encoding=both.manifest.encoding, base_model="", recipe="", created_at="")
    return Bundle.load(directory)


def test_a_bundle_of_two_graphs_reads_answers_with_the_second(tmp_path: Path) -> None:
    both = bundles.make(tmp_path / "both", answers_seed=1)
    alone = [one_sided(both, tmp_path / name, name) for name in (MODEL, ANSWERS)]
    found, first, second = (Encoder(one, threads=1) for one in (both, *alone))
    assert (found.two_sided, first.two_sided) == (True, False)
    np.testing.assert_array_equal(found.encode_queries(TEXTS), first.encode_queries(TEXTS))
    for one, expected in zip(found.encode_documents(TEXTS), second.encode_documents(TEXTS), strict=True):
        np.testing.assert_array_equal(one, expected)
    assert len({both.revision, *(one.revision for one in alone)}) == 3


def test_a_second_graph_of_another_width_is_refused(tmp_path: Path) -> None:
    both = bundles.make(tmp_path / "both", answers_seed=1)
    seal(both.directory, encoding=Encoding(dimension=63, max_tokens=64), base_model="", recipe="", created_at="")
    with pytest.raises(BundleError, match="64 dimensions, not 63"):
        Encoder(Bundle.load(both.directory))
    (both.directory / ANSWERS).unlink()
    with pytest.raises(BundleError, match=r"answers\.onnx is missing"):
        Bundle.load(both.directory)
