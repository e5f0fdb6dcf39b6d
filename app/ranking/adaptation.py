"""The share of unanswerable questions, estimated from the questions that are asked.

Each release counts the questions asked of it in a histogram of logit u, where u is the probability that nothing answers
the question at the share that u was trained at. The histogram is a mixture of the histograms of answerable and of
unanswerable questions, which are known from the held-out questions. The share is the maximum a posteriori by
expectation maximisation under a Beta prior around the stated share ("Adjusting the Outputs of a Classifier to New a
Priori Probabilities", Saerens et al. 2002, doi 10.1162/089976602753284446).

The estimate is right only if the held-out questions resemble the real ones. `misfit` measures the distance between the
histogram and the fitted mixture. Only counts and salted hashes of questions and clients are kept; no texts and no
addresses.
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

BINS, BOUND = 24, 6.0  # of logit u, from -BOUND to BOUND; values outside count in the first or last bin
CENTRES = (np.arange(BINS) + 0.5) * 2 * BOUND / BINS - BOUND
SPREAD = 0.02  # share of a smoothed histogram spread over all bins in proportion to u or 1 - u, for empty bins
KERNEL = np.exp(-0.5 * (np.arange(-3, 4) / 1.0) ** 2)  # smooths the held-out histograms, which have few questions
STRENGTH = 300  # weight of the stated share, in questions
LEAST, MOST = 0.02, 0.6
STEPS, TOLERANCE = 500, 1e-6
MOST_QUESTIONS, MOST_CLIENTS = 50_000, 10_000  # remembered; the least recently seen is forgotten
MOST_OF_A_CLIENT = STRENGTH  # counted questions: one client moves the estimate at most half way
EVERY, STEP = 20, 0.01  # questions between moves of the applied share, and the largest move


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
    """Counts of the distinct questions asked of a release, and the share that is applied because of them."""

    model_config = ConfigDict(extra="forbid")

    counts: list[int] = Field(default_factory=lambda: [0] * BINS, min_length=BINS, max_length=BINS)
    exact: int = Field(0, description="questions that an entry holds word for word, which are certainly answerable")
    applied: float | None = Field(None, description="the share of unanswerable questions that is applied")

    @property
    def total(self) -> int:
        """How many questions are counted."""
        return sum(self.counts) + self.exact

    def plus(self, now: "Asked", before: "Asked") -> "Asked":
        """These counts with what another process counted between `before` and `now`."""
        counts = [own + new - old for own, new, old in zip(self.counts, now.counts, before.counts, strict=True)]
        applied = self.applied if now.applied is None else now.applied
        if self.applied is not None and now.applied is not None:
            moved = now.applied - before.applied if before.applied is not None else (now.applied - self.applied) / 2
            applied = float(np.clip(self.applied + moved, LEAST, MOST))
        return Asked(counts=counts, exact=self.exact + now.exact - before.exact, applied=applied)


class Estimate(NamedTuple):
    """The estimated share of unanswerable questions, the number of questions, and the misfit of the mixture.

    `misfit` is the total variation distance between the histogram and the mixture, less what chance explains: 0 is a
    perfect fit, 1 no overlap.
    """

    share: float
    questions: int
    misfit: float


def estimate(asked: Asked, densities: Densities, stated: float) -> Estimate:
    """The estimate from the questions asked; the stated share if there are none."""
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
    """The estimate of one release from the questions asked of it, and its use in mode `on`. Not thread-safe."""

    def __init__(
        self, mode: Mode, unanswerable: Unanswerable | None, densities: Densities | None, asked: Asked | None = None
    ) -> None:
        """`asked`: the earlier counts. Nothing is counted if `mode` is `off`, or u or the densities are unknown."""
        self.stated = unanswerable.share if unanswerable else None
        self.asked = asked or Asked()
        self._mode, self._unanswerable, self._densities = mode, unanswerable, densities
        self._questions: LRUCache[int, None] = LRUCache(MOST_QUESTIONS)
        self._clients: LRUCache[int, int] = LRUCache(MOST_CLIENTS)

    def copy(self) -> "Adaptation":
        """Another one with the same counts. What it counts changes this one's counts no more."""
        return Adaptation(self._mode, self._unanswerable, self._densities, self.asked.model_copy(deep=True))

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
        """The share that confidences assume: the applied one, or else the stated one."""
        return (self.asked.applied if self.applies else None) or self.stated

    def estimate(self) -> Estimate | None:
        """The current estimate; None if nothing is counted."""
        if not self.counting or self._densities is None or self.stated is None:
            return None
        return estimate(self.asked, self._densities, self.stated)

    def saw(self, question: str, client: str, unanswerable: float | None) -> None:
        """Count a question, unless it was counted before or its client has asked enough.

        `unanswerable`: its u at the stated share; None if an entry holds the question word for word.
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
        """The factor of the confidences of a question's answers. `unanswerable`: its u at the stated share."""
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
        """Move the applied share towards the estimate, by at most one step."""
        target, now = self.estimate(), self.applied
        if target is not None and now is not None:
            self.asked.applied = now + float(np.clip(target.share - now, -STEP, STEP))


def _bin(logit: float) -> int:
    return int(np.clip((logit + BOUND) * BINS / (2 * BOUND), 0, BINS - 1))


def _histogram(logits: Floats) -> list[int]:
    counts = np.bincount([_bin(value) for value in logits.tolist()], minlength=BINS)
    return [int(count) for count in counts]


def _smoothed(counts: tuple[int, ...], elsewhere: Floats) -> Floats:
    """The probability of each bin, (BINS,). `elsewhere`, (BINS,), is the shape of the part spread over all bins."""
    smooth, spread = np.convolve(np.array(counts, dtype=np.float64), KERNEL, mode="same"), elsewhere / elsewhere.sum()
    return np.asarray((1 - SPREAD) * smooth / smooth.sum() + SPREAD * spread if smooth.any() else spread)


def _misfit(counts: Floats, mixture: Floats) -> float:
    """The total variation distance between a histogram and the mixture, less the distance expected by chance."""
    total = float(counts.sum())
    if not total:
        return 0.0
    distance = 0.5 * np.abs(counts / total - mixture).sum()
    chance = 0.5 * np.sqrt(2 * mixture * (1 - mixture) / (np.pi * total)).sum()
    return float(max(0.0, distance - chance))
