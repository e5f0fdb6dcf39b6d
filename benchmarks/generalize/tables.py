"""The table: every system on every row, one family left out at a time."""

from collections import defaultdict
from collections.abc import Sequence
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from app.ranking.calibration import Calibration
from app.ranking.unanswerable import DEFAULT_SHARE
from benchmarks.generalize import priors
from benchmarks.generalize.cells import Features
from benchmarks.generalize.judging import (
    LEAST,
    MOST,
    Judged,
    System,
    at_shares,
    calibrated,
    columns,
    difference,
    excess,
    judge,
)
from benchmarks.generalize.sets import FOLDS
from benchmarks.generalize.training import BASE
from trainer.guard import Experience, decide

DIAGRAMS = "generalize.png"
INDICATIVE = 20  # entries below which a row is no more than that
QUICK = "quick@0.75"
SHOWN = ("P@1", "MRR", "helped", "wrong", "answered", "offered", "unanswerable_answered", "AUROC", "coverage@90")
CONFIDENCE = ("Brier", "bias", "excess", "excess, default share", "excess@0", "excess@10", "excess@30", "excess@60")

Report = dict[str, Any]


class Measured(NamedTuple):
    """The report of every row, and what the `default` system replied, by family."""

    report: Report
    judged: dict[str, list[Judged]]


def measured(known: Sequence[Features]) -> Measured:
    """Every row: the figures of each system, means over seeds, and what differs from the base model's."""
    evidence, gains = priors.all_evidence(known), priors.all_gains(known)
    rows: dict[str, list[Features]] = defaultdict(list)
    for features in known:
        rows[f"{features.cell.name} {features.cell.variant}"].append(features)
    report: Report = {}
    judged: dict[str, list[Judged]] = defaultdict(list)
    for name, cells in rows.items():
        family = cells[0].faq.family
        prior, experience = priors.prior_of(evidence, family), priors.experience_of(gains, family)
        shipped = [shipped_state(features, experience) for features in cells]
        states = {"base": [BASE] * len(cells), "quick": [QUICK] * len(cells), "default": shipped}
        known_replies = [
            {state: _judged(features, System(state, prior)) for state in {column[i] for column in states.values()}}
            for i, features in enumerate(cells)
        ]  # systems that ship the same state are asked once
        systems = {
            label: [replies[state] for replies, state in zip(known_replies, chosen, strict=True)]
            for label, chosen in states.items()
        }
        judged[family] += [reply for reply, _ in systems["default"]]
        report[name] = {
            "family": family,
            "entries": len(cells[0].faq.served),
            "folds" if cells[0].cell.variant == FOLDS else "seeds": len(cells),
            "refused": cells[0].refused is not None,
            "shipped": shipped,
            "systems": {label: _mean([figures for _, figures in found]) for label, found in systems.items()},
            "differences": {
                label: _difference([one for one, _ in systems["base"]], [one for one, _ in systems[label]])
                for label in ("quick", "default")
            },
        }
    return Measured(report, dict(judged))


def shipped_state(features: Features, experience: Experience) -> str:
    """The state that the guard ships."""
    gained = priors.gained(features)
    share = decide(gained.heldout, experience).share if gained else 0.0
    return f"default@{share}" if share else BASE


def _judged(features: Features, system: System) -> tuple[Judged, dict[str, float]]:
    """What the system makes of a cell at its own share, and its figures."""
    own = 1 - float(features.answerable[features.real].mean())
    stated = min(max(own, LEAST), MOST)
    judged = judge(features, system, calibrated(features, system, stated))
    figures = columns(judged)
    calibration = calibrated(features, system, DEFAULT_SHARE)
    usual = judge(features, system, calibration)
    figures["excess, default share"] = excess(usual.confidence, usual.right)
    if features.cell.seed == 0:  # one seed tells enough of the other shares
        figures |= at_shares(partial(_at_share, features, system, calibration, own == 0))
    return judged, figures


def _at_share(features: Features, system: System, calibration: Calibration, made: bool, share: float) -> Judged:
    return judge(features, system, calibration.at_share(share), made)


def _mean(found: Sequence[dict[str, float]]) -> dict[str, float]:
    return {name: round(float(np.mean([one[name] for one in found if name in one])), 4) for name in found[0]}


def _difference(before: Sequence[Judged], after: Sequence[Judged]) -> dict[str, float]:
    """Of precision@1 of the questions that something answers."""
    pairs = [
        (
            (now.ranks == 1).astype(np.float64)[now.answerable] - (was.ranks == 1)[was.answerable],
            now.about[now.answerable],
        )
        for was, now in zip(before, after, strict=True)
    ]
    return {name: round(value, 4) for name, value in difference(pairs)._asdict().items()}


def holm(chances: dict[str, float], level: float = 0.05) -> list[str]:
    """The names that are significant together (Holm 1979)."""
    found = []
    for place, name in enumerate(sorted(chances, key=chances.__getitem__)):
        if chances[name] > level / (len(chances) - place):
            break
        found.append(name)
    return found


def page(report: Report) -> str:
    """The report as a page of Markdown."""
    judged = {name: row for name, row in report.items() if not row["refused"]}
    worse = holm({name: row["differences"]["default"]["worse"] for name, row in judged.items()})
    lines = [
        "# Generalisation",
        "",
        "`python -m benchmarks.generalize table`; see its docstring. Every row leaves its own family out.",
        "Confidence at the row's own share of unanswerable questions, stated, unless a column says otherwise.",
        "",
        f"The confidence of `default`, by family left out: [{DIAGRAMS}]({DIAGRAMS}).",
        "",
        f"Significantly worse than the base model (one-sided, Holm): {', '.join(worse) or 'none'}.",
        "",
        "| row | entries | shipped | quick - base, P@1 | default - base, P@1 (95 %) |",
        "|---|---|---|---|---|",
    ]
    most = max(row.get("seeds", 0) for row in report.values())
    for name, row in report.items():
        quick, default = row["differences"]["quick"], row["differences"]["default"]
        note = " (indicative)" if row["entries"] < INDICATIVE else ""
        note += f" ({row['folds']} folds)" if "folds" in row else ""
        note += f" (seeds: {row['seeds']})" if row.get("seeds", most) < most else ""
        shipped = (
            "refused: base" if row["refused"] else ", ".join(state.replace("default@", "") for state in row["shipped"])
        )
        interval = "" if row["refused"] else f"{default['mean']:+.3f} ({default['low']:+.3f} to {default['high']:+.3f})"
        lines.append(
            f"| {name}{note} | {row['entries']:,} | {shipped} | "
            f"{'' if row['refused'] else format(quick['mean'], '+.3f')} | {interval} |"
        )
    for title, names in (("Ranking and decisions", SHOWN), ("Confidence", CONFIDENCE)):
        lines += ["", f"## {title}", "", f"| row | system | {' | '.join(names)} |", "|---" * (len(names) + 2) + "|"]
        for name, systems in [
            *((name, row["systems"]) for name, row in report.items()),
            ("mean of families", _families(report)),
        ]:
            for label, figures in systems.items():
                cells = [f"{figures[key]:.3f}" if key in figures else "" for key in names]
                lines.append(f"| {name} | {label} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def _families(report: Report) -> dict[str, dict[str, float]]:
    """The means of each system, families counting alike."""
    families: dict[str, list[Report]] = defaultdict(list)
    for row in report.values():
        families[row["family"]].append(row["systems"])
    found: dict[str, dict[str, float]] = {}
    for label in next(iter(report.values()))["systems"]:
        figures: dict[str, list[float]] = defaultdict(list)
        for systems in families.values():
            for name in {key for system in systems for key in system[label]}:
                figures[name].append(float(np.mean([one[label][name] for one in systems if name in one[label]])))
        found[label] = {name: round(float(np.mean(values)), 4) for name, values in figures.items()}
    return found
