"""Chooses how much of the fine-tuning to ship: the share with the best expected gain whose risk of a loss is small.

The weights are base + share (tuned - base), for shares of .5, .75 and 1 (WiSE-FT; Wortsman et al. 2021,
arXiv 2109.01903). The gain over the base model in precision@1 of real questions has a prior N(mean, deviation^2),
fitted on FAQs of other families. A gain above .05 counts as .05, because the guard is about losses. The FAQ's own
held-out questions, resampled by entry, are the likelihood. Their error on the other FAQs adds to its variance. The
guard ships the share with the largest posterior mean, among the shares that lose more than .01 with a probability
below .2, or the base model if there is no such share.

`python -m benchmarks.generalize constants` prints the constants: recipe `default`, three seeds, equal weight for each
family. The cap was chosen on the same families, so the figures there are slightly optimistic.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from statistics import NormalDist
from typing import Any, NamedTuple

import numpy as np

from app.arrays import Floats

SHARES = (0.5, 0.75, 1.0)
CAP = 0.05
LOSS, RISK = 0.01, 0.2
DRAWS = 1000
LEAST_VARIANCE = 0.25  # of one question: a few questions with equal gains are not certain


class Experience(NamedTuple):
    """The gains of the shares on other FAQs, (shares,) each."""

    means: tuple[float, ...]
    deviations: tuple[float, ...]
    transfer: tuple[float, ...]  # root mean square difference between the held-out gain and the gain on real questions


OTHER_FAQS = Experience((0.0297, 0.0323, 0.0306), (0.0197, 0.0213, 0.0237), (0.025, 0.0256, 0.0279))


@dataclass(frozen=True)
class Option:
    """One share: its gain on the held-out questions, and its expected gain on real questions."""

    share: float
    heldout: float | None  # mean gain in reciprocal rank; None: nothing is held out
    expected: float  # posterior mean of the gain in precision@1
    risk: float  # probability that more than LOSS is lost


@dataclass(frozen=True)
class Shipped:
    """What is shipped, and the options that it was chosen from."""

    share: float
    questions: int
    options: tuple[Option, ...]

    @classmethod
    def of(cls, values: dict[str, Any]) -> "Shipped":
        """The inverse of `values`, also after a round trip through JSON."""
        return cls(values["share"], values["questions"], tuple(Option(**option) for option in values["options"]))

    def values(self) -> dict[str, Any]:
        """The fields as a dictionary for JSON."""
        return asdict(self)

    @property
    def reason(self) -> str:
        """What is shipped and why, as a sentence for people."""
        heldout = f"{self.questions} held-out questions and other FAQs" if self.questions else "other FAQs alone"
        if self.share == 0:
            risk = min(option.risk for option in self.options)
            return (
                f"The base model is shipped as it is. By {heldout}, every share of the fine-tuning loses more than "
                f"{LOSS} precision@1 with a probability of at least {risk:.0%}."
            )
        chosen = next(option for option in self.options if option.share == self.share)
        return (
            f"{self.share:.0%} of the fine-tuning is shipped. By {heldout}, precision@1 gains {chosen.expected:+.3f} "
            f"on the base model, and loses more than {LOSS} with a probability of {chosen.risk:.0%}."
        )


class Gains(NamedTuple):
    """The gain in reciprocal rank of held-out questions, (shares, questions), and the entry of each question."""

    differences: Floats
    entries: Sequence[str]


def decide(gains: Gains, experience: Experience = OTHER_FAQS) -> Shipped:
    """The share to ship, 0 for the base model, with all options."""
    questions = gains.differences.shape[1]
    options = tuple(
        _option(experience, i, float(gains.differences[i].mean()) if questions else None, variance_of(gains, i))
        for i in range(len(SHARES))
    )
    allowed = [option for option in options if option.risk < RISK and option.expected > 0]
    share = max(allowed, key=lambda option: option.expected).share if allowed else 0.0
    return Shipped(share, questions, options)


def _option(experience: Experience, i: int, heldout: float | None, variance: float) -> Option:
    mean, precision = experience.means[i], 1 / experience.deviations[i] ** 2
    if heldout is not None:
        heldout_precision = 1 / (variance + experience.transfer[i] ** 2)
        mean = (mean * precision + min(heldout, CAP) * heldout_precision) / (precision + heldout_precision)
        precision += heldout_precision
    risk = NormalDist(mean, precision**-0.5).cdf(-LOSS)
    return Option(SHARES[i], None if heldout is None else round(heldout, 4), round(mean, 4), round(risk, 4))


def variance_of(gains: Gains, i: int) -> float:
    """The variance of the mean gain of share `i` when entries are resampled (bootstrap by entry)."""
    values = gains.differences[i]
    if not len(values):
        return 0.0
    numbers: dict[str, int] = {}
    entry = np.array([numbers.setdefault(name, len(numbers)) for name in gains.entries])
    counts = np.bincount(entry)
    sums = np.bincount(entry, weights=values)
    weights = np.random.default_rng(0).multinomial(len(counts), np.full(len(counts), 1 / len(counts)), DRAWS)
    means = (weights @ sums) / (weights @ counts)
    return float(means.var() + LEAST_VARIANCE / len(values) ** 2)
