"""Texts to vectors: shapes, windows, and independence of the batch."""

import numpy as np
import pytest

from app.retrieval.bundle import Bundle
from app.retrieval.encoder import MAX_WINDOWS, Encoder

TEXTS = ["refund", "I lost my password, what can I do?", "delivery " * 20, "gift", "a wolf", "ping " * 40]


@pytest.fixture(scope="module")
def encoder(bundle: Bundle) -> Encoder:
    return Encoder(bundle, threads=1)


def test_vectors_are_of_unit_length(encoder: Encoder) -> None:
    vectors = encoder.questions(TEXTS)
    assert vectors.shape == (6, 64)
    assert vectors.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)


def test_order_is_kept_and_the_batch_does_not_matter(encoder: Encoder) -> None:
    together = encoder.questions(TEXTS * 12)
    for i, text in enumerate(TEXTS * 12):
        np.testing.assert_allclose(encoder.questions([text])[0], together[i], atol=1e-6)


def test_one_at_a_time_where_the_bundle_asks_for_it(bundle: Bundle, encoder: Encoder) -> None:
    single = Encoder(bundle)
    single._batch = 1
    np.testing.assert_allclose(single.questions(TEXTS), encoder.questions(TEXTS), atol=1e-6)


def test_nothing_gives_nothing(encoder: Encoder) -> None:
    assert encoder.questions([]).shape == (0, 64)
    assert encoder.answers([]) == []


def test_a_long_answer_is_several_overlapping_windows(encoder: Encoder) -> None:
    short, long, huge = encoder.answers(["refund", "delivery money " * 100, "wolf " * 25_000])
    assert short.shape == (1, 64)
    assert long.shape[0] == 1 + -(-(200 - 64) // (64 - 16))  # 200 tokens, windows of 64 that share 16
    assert huge.shape[0] == MAX_WINDOWS


def test_a_short_answer_is_encoded_as_a_question_would_be(encoder: Encoder) -> None:
    np.testing.assert_allclose(encoder.answers(["gift fee"])[0], encoder.questions(["gift fee"]), atol=1e-6)


def test_prefixes_keep_the_two_sides_apart(bundle: Bundle) -> None:
    encoder = Encoder(bundle)
    encoder.encoding = encoder.encoding.model_copy(update={"question_prefix": "what ", "answer_prefix": "spam "})
    plain = Encoder(bundle)
    np.testing.assert_allclose(encoder.questions(["fee"]), plain.questions(["what fee"]))
    np.testing.assert_allclose(encoder.answers(["fee"])[0], plain.questions(["spam fee"]))
