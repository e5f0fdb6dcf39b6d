"""The joint probability of the best two and three: what is fitted, and when they are offered."""

import numpy as np
import pytest
from numpy.typing import NDArray

from app.retrieval.offer import LOWEST, Offer, fit_offer, offer_threshold

Floats = NDArray[np.float64]


def made(n: int, seed: int, share: float = 1.0) -> tuple[Floats, NDArray[np.bool_]]:
    """Confidences of the best three, and which is right: the first as often as it says, the others `share` of that."""
    rng = np.random.default_rng(seed)
    best = -np.sort(-rng.dirichlet([0.5] * 4, size=n)[:, :3], axis=1)
    drawn = rng.random(n)[:, None]
    true = best * [1.0, share, share]
    ends = np.cumsum(true, axis=1)
    return best, (drawn < ends) & (drawn >= ends - true)


def test_without_a_fit_it_is_the_sum_of_the_confidences() -> None:
    joint = Offer().joint(np.array([[0.4, 0.3, 0.2], [0.9, 0.4, 0.0]]))
    np.testing.assert_allclose(joint, [[0.4, 0.7, 0.9], [0.9, 1.0, 1.0]], atol=0.002)


def test_it_never_falls_with_more_answers() -> None:
    joint = Offer(two=(-3.0, 1.0), three=(-9.0, 1.0)).joint(made(200, 0)[0])
    assert (np.diff(joint, axis=1) >= 0).all()


def test_what_is_fitted_is_calibrated_on_other_questions() -> None:
    best, right = made(4000, 1, share=0.2)
    offer = fit_offer(best[:2000], right[:2000])
    joint = offer.joint(best[2000:])
    for size in (2, 3):
        expected = right[2000:, :size].any(axis=1).mean()
        assert joint[:, size - 1].mean() == pytest.approx(expected, abs=0.06)
    untouched = Offer().joint(best[2000:])
    assert untouched[:, 2].mean() > right[2000:].any(axis=1).mean() + 0.1


def test_few_questions_hardly_move_it() -> None:
    offer = fit_offer(np.array([[0.3, 0.3, 0.2]] * 2), np.zeros((2, 3), dtype=bool))
    joint = offer.joint(np.array([[0.3, 0.3, 0.2]]))
    assert 0.4 < joint[0, 1] < 0.6


def test_a_sum_that_says_nothing_has_no_negative_weight() -> None:
    best = np.array([[0.1, 0.0, 0.0], [0.8, 0.1, 0.0]] * 100)
    right = np.array([[True, False, False], [False, False, False]] * 100)
    offer = fit_offer(best, right)
    assert offer.two[1] == offer.three[1] == 0


def test_the_fewest_that_reach_the_threshold_are_offered() -> None:
    assert Offer().size([0.4, 0.2, 0.1], 0.6) == 2
    assert Offer().size([0.4, 0.2, 0.1], 0.7) == 3
    assert Offer().size([0.4, 0.2, 0.1], 0.75) is None
    assert Offer().size([0.4, 0.2], 0.65) is None
    assert Offer().size([0.9], 0.5) is None
    assert Offer().size([], 0.5) is None


def test_the_threshold_is_the_lowest_at_which_offers_average_the_precision() -> None:
    joint = np.array([[0.4, 0.9, 0.9], [0.4, 0.5, 0.7], [0.3, 0.4, 0.5], [0.1, 0.1, 0.2]])
    assert offer_threshold(joint, 0.8) == pytest.approx(0.7)  # (.9 + .7) / 2
    assert offer_threshold(joint, 0.6) == pytest.approx(0.4)  # (.9 + .5 + .4) / 3: of two answers each
    assert offer_threshold(joint, 0.95) == 0.95  # none reaches it; from there on each offer does by itself
    assert offer_threshold(joint, 0.1) == LOWEST
    assert offer_threshold(joint[:0], 0.6) == 0.6
