"""Groups of questions that ask the same, from their vectors: deterministic, and new questions join earlier groups.

Chinese Whispers (Biemann 2006, "Chinese Whispers: an efficient graph clustering algorithm"): a graph joins each
question to its nearest ones, and each takes the group that weighs most among its neighbours until none changes. The
original visits the questions in random order; here they are visited in their order, and the lower number wins a tie.
"""

from collections import defaultdict
from collections.abc import Iterator

import numpy as np

from app.arrays import Integers, Vectors

NEIGHBOURS = 10  # nearest questions that a question is joined to
NEAR = 0.65  # least cosine of two questions that are joined; chosen on clinc150 and hint3: see benchmarks.unanswered
ROUNDS = 20  # at most; groups are stable after some five
BLOCK = 512  # questions that are compared with all others at a time

Edges = list[dict[int, float]]  # for each question its neighbours and their cosines


def clusters_of(vectors: Vectors, known: Integers | None = None) -> Integers:
    """(n,) int64: the number of each question's group, below n; questions of one group have the same.

    `vectors`: (n, dimension), of length 1; `known`: the groups, as returned before, of the first questions. These keep
    their groups; the others join them or form new ones.
    """
    kept = 0 if known is None else len(known)
    groups = np.arange(len(vectors), dtype=np.int64)
    if known is not None:
        groups[:kept] = known
    edges = _edges(vectors)
    for _ in range(ROUNDS):
        changed = False
        for question in range(kept, len(vectors)):
            group = _heaviest(edges[question], groups, int(groups[question]))
            changed |= group != groups[question]
            groups[question] = group
        if not changed:
            break
    return groups


def examples_of(vectors: Vectors, members: Integers, limit: int) -> list[int]:
    """Up to `limit` questions of a group, those nearest to its centre first. `members`: their numbers."""
    centre = vectors[members].mean(axis=0)
    order = np.argsort(-(vectors[members] @ centre), kind="stable")[:limit]
    return [int(number) for number in members[order]]


def _edges(vectors: Vectors) -> Edges:
    """Both questions of a pair are neighbours if either is among the NEIGHBOURS nearest of the other."""
    edges: Edges = [{} for _ in range(len(vectors))]
    for question, other, cosine in _nearest(vectors):
        edges[question][other] = edges[other][question] = cosine
    return edges


def _nearest(vectors: Vectors) -> Iterator[tuple[int, int, float]]:
    count = min(NEIGHBOURS, len(vectors) - 1)
    for start in range(0, len(vectors) if count > 0 else 0, BLOCK):
        cosines = vectors[start : start + BLOCK] @ vectors.T
        rows = np.arange(len(cosines))
        cosines[rows, start + rows] = -1.0
        best = np.argpartition(-cosines, count - 1, axis=1)[:, :count]
        for row, others in enumerate(np.sort(best, axis=1)):
            near = others[cosines[row, others] >= NEAR]
            yield from ((start + row, int(other), float(cosines[row, other])) for other in near)


def _heaviest(neighbours: dict[int, float], groups: Integers, present: int) -> int:
    """The group with the greatest sum of cosines, of equal ones the lowest; `present` where there are no neighbours."""
    weights: dict[int, float] = defaultdict(float)
    for other in sorted(neighbours):
        weights[int(groups[other])] += neighbours[other]
    return min(weights, key=lambda group: (-weights[group], group), default=present)
