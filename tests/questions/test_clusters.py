"""Groups of questions that ask the same."""

import numpy as np

from app.arrays import Vectors
from app.questions.clusters import clusters_of, examples_of


def questions(topics: int, each: int, seed: int = 0) -> Vectors:
    """`topics` groups of `each` vectors, one after the other, of length 1."""
    random = np.random.default_rng(seed)
    centres = np.repeat(np.eye(topics, 64, dtype=np.float32), each, axis=0)
    vectors = centres + 0.05 * random.standard_normal(centres.shape, dtype=np.float32)
    normalised: Vectors = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    return normalised


def test_questions_near_to_each_other_are_one_group_and_others_stay_alone() -> None:
    vectors = np.concatenate([questions(3, 8), np.eye(64, dtype=np.float32)[40:42]], dtype=np.float32)
    groups = clusters_of(vectors)
    assert [len(set(groups[start : start + 8])) for start in (0, 8, 16)] == [1, 1, 1]
    assert len(set(groups)) == 5
    assert groups[24:].tolist() == [24, 25]


def test_the_groups_are_the_same_every_time() -> None:
    vectors = questions(5, 30, seed=3)
    assert np.array_equal(clusters_of(vectors), clusters_of(vectors.copy()))


def test_new_questions_join_earlier_groups_which_stay_as_they_are() -> None:
    vectors = questions(4, 10)
    early = np.concatenate([vectors[start : start + 5] for start in (0, 10, 20)])
    late = np.concatenate([vectors[start : start + 5] for start in (5, 15, 25, 35)])
    known = clusters_of(early)
    groups = clusters_of(np.concatenate([early, late]), known)
    assert np.array_equal(groups[:15], known)
    assert [set(groups[start : start + 5]) for start in (15, 20, 25)] == [
        set(known[start : start + 5]) for start in (0, 5, 10)
    ]
    assert set(groups[30:]).isdisjoint(known)
    assert len(set(groups[30:])) == 1


def test_few_questions_need_no_neighbours() -> None:
    assert clusters_of(np.empty((0, 8), dtype=np.float32)).tolist() == []
    assert clusters_of(np.full((1, 4), 0.5, dtype=np.float32)).tolist() == [0]


def test_examples_are_nearest_to_the_centre() -> None:
    vectors = np.array([[1, 0], [0, 1], [0.8, 0.6], [0.6, 0.8]], dtype=np.float32)
    assert examples_of(vectors, np.array([0, 2, 3]), 2) == [2, 3]
