"""What FAQ_ADAPT_CONFIDENCE=on does for confidence on families left out, at several shares of unanswerable questions.

The default share is stated, and the questions of the set, resampled to another share, are asked once in random order.
The table has the excess calibration error of these replies:

off       with the stated share throughout
on        as served, while the applied share moves
settled   with the share that is applied after the last question
known     with the true share stated

Rows with too few held-out questions have no calibration of their own, and nothing is estimated for them.
"""

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from app.ranking.adaptation import Adaptation
from app.ranking.calibration import Calibration
from app.ranking.fitting import MIN_QUESTIONS
from app.ranking.scored import densities_of
from app.ranking.unanswerable import DEFAULT_SHARE, change
from benchmarks.generalize import priors
from benchmarks.generalize.cells import Features
from benchmarks.generalize.judging import (
    LEAST,
    MOST,
    SHARES,
    Judged,
    System,
    asked_of,
    calibrated,
    excess,
    judge,
    resampled,
)
from benchmarks.generalize.tables import shipped_state

COLUMNS = ("off", "on", "settled", "known")
Report = dict[str, Any]
Floats = NDArray[np.float64]


def measured(known: Sequence[Features]) -> list[Report]:
    """A row for each set and share."""
    evidence, gains = priors.all_evidence(known), priors.all_gains(known)
    rows = []
    for features in known:
        if len(features.heldout) < MIN_QUESTIONS:
            continue
        family = features.faq.family
        state = shipped_state(features, priors.experience_of(gains, family))
        rows += _rows(features, System(state, priors.prior_of(evidence, family)))
    return rows


def _rows(features: Features, system: System) -> list[Report]:
    calibration = calibrated(features, system, DEFAULT_SHARE)
    judged = judge(features, system, calibration, bool(features.answerable[features.real].all()))
    rows = []
    for share in SHARES:
        chosen = resampled(judged.answerable, share)
        adaptation = _adaptation(features, system, calibration)
        confidences = _served(judged, np.random.default_rng(0).permutation(chosen), adaptation)
        end, true = adaptation.applied or DEFAULT_SHARE, min(max(share, LEAST), MOST)
        confidences |= {"settled": _at(judged, chosen, end), "known": _at(judged, chosen, true)}
        figures = {name: round(excess(*confidences[name]), 4) for name in COLUMNS}
        cell = features.cell
        rows.append(
            {"row": f"{cell.name} {cell.variant}", "family": features.faq.family, "seed": cell.seed, "share": share}
            | {"questions": len(chosen), "applied": round(end, 3), **figures}
        )
    return rows


def _adaptation(features: Features, system: System, calibration: Calibration) -> Adaptation:
    heldout = asked_of(features, features.state(system.state), features.heldout)
    return Adaptation("on", calibration.unanswerable, densities_of(heldout, calibration))


def _served(
    judged: Judged, order: NDArray[np.int64], adaptation: Adaptation
) -> dict[str, tuple[Floats, NDArray[np.bool_]]]:
    """The confidences with the stated share and as adapted, and whether each answer is right, in this order."""
    adapted = judged.confidence[order].copy()
    for place, question in enumerate(order.tolist()):
        if judged.exact[question]:
            adaptation.saw(str(question), str(question), None)
            continue
        unanswerable = float(judged.unanswerable[question])
        adapted[place] *= adaptation.change(unanswerable)
        adaptation.saw(str(question), str(question), unanswerable)
    return {"off": (judged.confidence[order], judged.right[order]), "on": (adapted, judged.right[order])}


def _at(judged: Judged, chosen: NDArray[np.int64], share: float) -> tuple[Floats, NDArray[np.bool_]]:
    """The confidences at a share, and whether each answer is right."""
    factors = [change(u, DEFAULT_SHARE, share) for u in judged.unanswerable[chosen].tolist()]
    factor = np.where(judged.exact[chosen], 1.0, factors)
    return judged.confidence[chosen] * factor, judged.right[chosen]


def page(rows: Sequence[Report]) -> str:
    """The rows, means over seeds, as a page of Markdown."""
    lines = [
        "# Confidence adapted to the share of unanswerable questions",
        "",
        "`python -m benchmarks.generalize adapt`; see the docstring of `benchmarks/generalize/adapting.py`.",
        f"Excess calibration error; the stated share is {DEFAULT_SHARE}. Every row leaves its own family out.",
        "",
        f"| row | share | questions | applied | {' | '.join(COLUMNS)} |",
        "|---" * (4 + len(COLUMNS)) + "|",
    ]
    groups: dict[tuple[str, float], list[Report]] = defaultdict(list)
    for row in rows:
        groups[row["row"], row["share"]].append(row)
    for (name, share), seeds in groups.items():
        lines.append(_line(name, share, f"{seeds[0]['questions']:,}", _means(seeds)))
    for share in SHARES:
        lines.append(_line("mean of families", share, "", _of_families([row for row in rows if row["share"] == share])))
    return "\n".join(lines) + "\n"


def _line(name: str, share: float, questions: str, means: dict[str, float]) -> str:
    figures = " | ".join(f"{means[column]:.3f}" for column in ("applied", *COLUMNS))
    return f"| {name} | {share:.0%} | {questions} | {figures} |"


def _means(rows: Sequence[Report]) -> dict[str, float]:
    return {name: float(np.mean([row[name] for row in rows])) for name in ("applied", *COLUMNS)}


def _of_families(rows: Sequence[Report]) -> dict[str, float]:
    """Means in which families count alike."""
    families = {row["family"] for row in rows}
    each = [_means([row for row in rows if row["family"] == family]) for family in sorted(families)]
    return {name: float(np.mean([means[name] for means in each])) for name in ("applied", *COLUMNS)}
