"""Clusters of questions that were not answered well and wait for a person, the largest and most recent first.

A cluster that was dismissed is left out until its questions have failed twice as often. A question that was dealt with
in another way is left out of its cluster until it has failed twice as often itself.
"""

import hashlib
import math
import re
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from app.errors import InputError
from app.questions.asked import DAY_S
from app.questions.paging import cursor, key_of
from app.questions.reviewing import Failed, Review

HALF_LIFE_S = 14.0 * DAY_S  # a cluster that failed last two weeks ago ranks like one of half its size that failed today
NAME = re.compile("[0-7][0-9a-f]{15}")  # of a key, which has 63 bits
AGAIN = 2  # times as often as when it was decided


class Cluster(NamedTuple):
    """Questions that ask the same, those that failed most first. `key`: its name (`app.questions.groups`)."""

    key: int
    questions: tuple[Failed, ...]

    @property
    def name(self) -> str:
        """The key as 16 hex digits."""
        return name_of(self.key)

    @property
    def times(self) -> int:
        """How often its questions failed."""
        return sum(question.times for question in self.questions)

    @property
    def last_asked(self) -> float:
        """When one of them was asked last, in seconds since 1970."""
        return max(question.last_asked for question in self.questions)

    @property
    def rank(self) -> float:
        """What clusters are sorted by: it grows with the size and with the time of the last question."""
        return math.log2(self.times) + self.last_asked / HALF_LIFE_S

    @property
    def version(self) -> str:
        """Sixteen hex digits that change when the cluster has other questions than before."""
        keys = " ".join(str(key) for key in sorted(question.key for question in self.questions))
        return hashlib.sha256(f"{self.key} {keys}".encode()).hexdigest()[:16]

    def count(self, outcome: str) -> int:
        """How often its questions failed in this way: `no_answer`, `ambiguous` or `unhelpful`."""
        return sum(getattr(question, outcome) for question in self.questions)


class ClusterPage(NamedTuple):
    """Clusters in order; how many there are in all; the cursor of the page that follows, None on the last."""

    clusters: list[Cluster]
    total: int
    next_after: str | None


def name_of(key: int) -> str:
    """A key of a question or a cluster, as 16 hex digits."""
    return f"{key:016x}"


def key_of_name(name: str) -> int:
    """The key of a name. Raises InputError for a text that `name_of` does not make."""
    if not NAME.fullmatch(name):
        raise InputError(f"`{name}` names no question of the list: a name has 16 hex digits.", "questions")
    return int(name, 16)


def clusters(
    failed: Iterable[Failed], groups: Mapping[int, int], decisions: Mapping[int, Review], dismissed: bool = False
) -> list[Cluster]:
    """The clusters that wait, or those that are left out because they were dismissed; the first is the one to look at.

    `groups`: the cluster of each question, by key; a question without one is a cluster of its own.
    """
    members: dict[int, list[Failed]] = {}
    for question in failed:
        if not _is_done(question, decisions.get(question.key)):
            members.setdefault(groups.get(question.key, question.key), []).append(question)
    waiting = (Cluster(key, tuple(questions)) for key, questions in members.items())
    kept = [cluster for cluster in waiting if _is_dismissed(cluster, decisions) == dismissed]
    return sorted(kept, key=lambda cluster: (-cluster.rank, cluster.name))


def page_of(ranked: list[Cluster], limit: int, after: str | None) -> ClusterPage:
    """Up to `limit` clusters. Raises InputError for an `after` that is no cursor of this list."""
    rest = ranked
    if after is not None:
        rank, name = key_of(after, float, str)
        last = (-float(rank), str(name))
        rest = [cluster for cluster in ranked if (-cluster.rank, cluster.name) > last]
    following = cursor(rest[limit - 1].rank, rest[limit - 1].name) if len(rest) > limit else None
    return ClusterPage(rest[:limit], len(ranked), following)


def _is_done(question: Failed, review: Review | None) -> bool:
    return review is not None and review.act != "dismiss" and question.times < AGAIN * review.failed


def _is_dismissed(cluster: Cluster, decisions: Mapping[int, Review]) -> bool:
    reviews = [decisions[question.key] for question in cluster.questions if question.key in decisions]
    return cluster.times < AGAIN * sum(review.failed for review in reviews if review.act == "dismiss")
