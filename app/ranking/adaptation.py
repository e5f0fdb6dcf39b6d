"""The share of unanswerable questions, estimated from the questions that are asked.

Each release counts the questions asked of it in a histogram of logit u, where u is the probability that nothing answers
the question at the share that u was trained at. The histogram is a mixture of two: that of answerable questions and
that of unanswerable ones, both known from the held-out questions. The share is the maximum a posteriori by expectation
maximisation under a Beta prior around the stated share ("Adjusting the Outputs of a Classifier to New a Priori
Probabilities", Saerens et al. 2002, doi 10.1162/089976602753284446).

It is right only as far as the held-out questions are like the real ones. `misfit` says how far the histogram is from
the fitted mixture. Kept are counts, and salted hashes of questions and clients; no texts and no addresses.
"""

from typing import Literal, NamedTuple, Self

import numpy as np
from cachetools import LRUCache
from pydantic import BaseModel, ConfigDict, Field

from app.arrays import Floats
from app.ranking.logistic import sigmoid
from app.ranking.unanswerable import Unanswerable, change, log_odds
from app.text.normalize import normalize

Mode = Literal["off", "suggest", "on"]

BINS, BOUND = 24, 6.0  # of logit u, from -BOUND to BOUND; what lies outside counts in the first or the last bin
CENTRES = (np.arange(BINS) + 0.5) * 2 * BOUND / BINS - BOUND
SPREAD = 0.02  # of the smoothed histograms, spread over all bins as u itself says, for bins with no held-out question
KERNEL = np.exp(-0.5 * (np.arange(-3, 4) / 1.0) ** 2)  # smooths the held-out histograms, which are of few questions
STRENGTH = 300  # questions that the stated share weighs as much as
LEAST, MOST = 0.02, 0.6
STEPS, TOLERANCE = 500, 1e-6
MOST_QUESTIONS, MOST_CLIENTS = 50_000, 10_000  # that are remembered; the least recently seen is forgotten
MOST_OF_A_CLIENT = STRENGTH  # questions that count: a client alone moves the estimate half way at the most
EVERY, STEP = 20, 0.01  # questions after which the applied share moves, and how far at the most


class Densities(BaseModel):
    """How many held-out questions fall into each bin of logit u, (BINS,) both."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    answerable: tuple[int, ...] = Field(min_length=BINS, max_length=BINS)
    unanswerable: tuple[int, ...] = Field(min_length=BINS, max_length=BINS)

    @classmethod
    def of(cls, answerable: Floats, unanswerable: Floats) -> Self:
        """From the logits of u of questions of both kinds, (n,) and (m,)."""
        return cls(answerable=tuple(_histogram(answerable)), unanswerable=tuple(_histogram(unanswerable)))

    def smooth(self) -> tuple[Floats, Floats]:
        """The probability of each bin for answerable and for unanswerable questions, (BINS,) both."""
        unanswerable = sigmoid(CENTRES)
        return _smoothed(self.answerable, 1 - unanswerable), _smoothed(self.unanswerable, unanswerable)


class Asked(BaseModel):
    """The distinct questions that were asked of a release, counted, and the share that is applied because of them."""

    model_config = ConfigDict(extra="forbid")

    counts: list[int] = Field(default_factory=lambda: [0] * BINS, min_length=BINS, max_length=BINS)
    exact: int = Field(0, description="questions that an entry holds word for word, which are answerable for certain")
    applied: float | None = Field(None, description="the share of unanswerable questions that is applied")

    @property
    def total(self) -> int:
        """How many questions are counted."""
        return sum(self.counts) + self.exact


class Estimate(NamedTuple):
    """The estimated share of unanswerable questions, of how many questions, and how badly the mixture fits them.

    `misfit` is the total variation distance between the histogram and the mixture, less what chance explains: 0 is a
    perfect fit, 1 no overlap.
    """

    share: float
    questions: int
    misfit: float


def estimate(asked: Asked, densities: Densities, stated: float) -> Estimate:
    """The estimate from the questions asked; the stated share where there are none."""
    answerable, unanswerable = densities.smooth()
    counts, total = np.array(asked.counts, dtype=np.float64), asked.total
    share, exact = stated, asked.exact / max(total, 1)
    for _ in range(STEPS):
        mixture = share * unanswerable + max(0.0, 1 - share - exact) * answerable
        expected = float((counts * share * unanswerable / mixture).sum())
        before, share = share, (STRENGTH * stated + expected) / (STRENGTH + total)
        if abs(share - before) < TOLERANCE:
            break
    share = float(np.clip(share, LEAST, MOST))
    of_counted = min(share / (1 - exact), 1.0) if exact < 1 else 0.0
    return Estimate(share, total, _misfit(counts, of_counted * unanswerable + (1 - of_counted) * answerable))


class Adaptation:
    """What one release learns from the questions asked of it, and applies where it is `on`. For one thread."""

    def __init__(
        self, mode: Mode, unanswerable: Unanswerable | None, densities: Densities | None, asked: Asked | None = None
    ) -> None:
        """`asked`: what was counted before. Nothing is counted where `mode` is `off`, or u or densities are unknown."""
        self.stated = unanswerable.share if unanswerable else None
        self.asked = asked or Asked()
        self._mode, self._unanswerable, self._densities = mode, unanswerable, densities
        self._questions: LRUCache[int, None] = LRUCache(MOST_QUESTIONS)
        self._clients: LRUCache[int, int] = LRUCache(MOST_CLIENTS)

    @property
    def counting(self) -> bool:
        """Whether questions are counted."""
        return self._mode != "off" and self._unanswerable is not None and self._densities is not None

    @property
    def applies(self) -> bool:
        """Whether confidences are shifted to an estimated share."""
        return self._mode == "on" and self.counting

    @property
    def applied(self) -> float | None:
        """The share that confidences are at: the stated one, unless another is applied."""
        return (self.asked.applied if self.applies else None) or self.stated

    def estimate(self) -> Estimate | None:
        """The estimate of now; None where nothing is counted."""
        if not self.counting or self._densities is None or self.stated is None:
            return None
        return estimate(self.asked, self._densities, self.stated)

    def saw(self, question: str, client: str, unanswerable: float | None) -> None:
        """Count a question, unless it was counted before or its client has asked enough.

        `unanswerable`: its u at the stated share; None where an entry holds the question word for word.
        """
        if not self.counting or self._unanswerable is None or not self._is_new(hash(normalize(question)), hash(client)):
            return
        if unanswerable is None:
            self.asked.exact += 1
        else:
            stated, trained = self._unanswerable.share, self._unanswerable.trained_share
            self.asked.counts[_bin(log_odds(unanswerable) - log_odds(stated) + log_odds(trained))] += 1
        if self.applies and self.asked.total % EVERY == 0:
            self._move()

    def change(self, unanswerable: float) -> float:
        """What the confidences of a question's answers are multiplied by; `unanswerable`: its u at the stated share."""
        if not self.applies or self.stated is None or self.asked.applied is None:
            return 1.0
        return change(unanswerable, self.stated, self.asked.applied)

    def _is_new(self, question: int, client: int) -> bool:
        count = self._clients.get(client, 0)
        if question in self._questions or count >= MOST_OF_A_CLIENT:
            return False
        self._questions[question] = None
        self._clients[client] = count + 1
        return True

    def _move(self) -> None:
        """Move the applied share towards the estimate, by one step at the most."""
        target, now = self.estimate(), self.applied
        if target is not None and now is not None:
            self.asked.applied = now + float(np.clip(target.share - now, -STEP, STEP))


def _bin(logit: float) -> int:
    return int(np.clip((logit + BOUND) * BINS / (2 * BOUND), 0, BINS - 1))


def _histogram(logits: Floats) -> list[int]:
    counts = np.bincount([_bin(value) for value in logits.tolist()], minlength=BINS)
    return [int(count) for count in counts]


def _smoothed(counts: tuple[int, ...], elsewhere: Floats) -> Floats:
    """The probability of each bin, (BINS,), where `elsewhere`, (BINS,), says how it is where nothing was held out."""
    smooth, spread = np.convolve(np.array(counts, dtype=np.float64), KERNEL, mode="same"), elsewhere / elsewhere.sum()
    return np.asarray((1 - SPREAD) * smooth / smooth.sum() + SPREAD * spread if smooth.any() else spread)


def _misfit(counts: Floats, mixture: Floats) -> float:
    """The total variation distance between a histogram and the expected one, less what chance explains."""
    total = float(counts.sum())
    if not total:
        return 0.0
    distance = 0.5 * np.abs(counts / total - mixture).sum()
    chance = 0.5 * np.sqrt(2 * mixture * (1 - mixture) / (np.pi * total)).sum()
    return float(max(0.0, distance - chance))
