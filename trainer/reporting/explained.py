"""What the report says in words and figures, for people who own a FAQ and need not know a metric's name."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from app.retrieval.bundle import Manifest
from trainer.evaluation.figures import COUNTS
from trainer.reporting import findings
from trainer.reporting.findings import SURE, Findings, Share
from trainer.reporting.results import Asked, Place, Results
from trainer.runs import Run, duration

ROUGH = 100  # held-out questions: with fewer, every figure is rough
_CHECKS = {
    "parity": "Says what the trained model says (cosine, mean)",
    "parity_least": "… for the text where it differs most",
    "batch_independence": "Says the same alone as among 15 others (least cosine)",
    "precision@1_cost": "Right answers first lost to 8 bits",
    "mrr_cost": "Mean reciprocal rank lost to 8 bits",
}
_CASED = {"Mrr": "MRR", "Ndcg": "nDCG", "Dcg": "DCG", "Auroc": "AUROC", "R precision": "R-precision"}

Which = Callable[[Asked], Place | None]


@dataclass(frozen=True)
class Verdict:
    """What a reader should know who reads nothing else."""

    title: str
    lines: list[str]
    warning: str = ""


@dataclass(frozen=True)
class Figure:
    """A share that matters to people, of each system, oldest first, in their words."""

    name: str
    meaning: str
    bars: list[tuple[str, Share]]

    @property
    def note(self) -> str:
        """How exact the last bar is."""
        share = self.bars[-1][1]
        low, high = share.interval
        return f"{share.count:,} of {share.of:,}, 95% interval {low:.0%} to {high:.0%}"


def verdict(results: Results, found: Findings) -> Verdict:
    """The page's first words."""
    now = findings.within(results.questions, _after, 1)
    if not now.of:
        title = "Nothing could be held out, so nothing was measured."
        return Verdict(title, [results.note] if results.note else ["A FAQ with more phrasings can be measured."])
    comes = f"The right answer comes first for {now.count:,} of {now.of:,}"
    if results.before is None:
        return Verdict(f"{comes} questions, with the base model.", [results.note or "", _decisions(results)])
    before = findings.within(results.questions, _before, 1).count
    change = "as before" if before == now.count else f"{'up' if now.count > before else 'down'} from {before:,}"
    lines = [_significance(found), _decisions(results)]
    return Verdict(f"{comes} new questions, {change}.", lines, _warning(now, before, found))


def _significance(found: Findings) -> str:
    moved = f"{found.gained:,} went from wrong to right, {found.lost:,} from right to wrong."
    if found.gained == found.lost:
        return f"{moved} On these questions the training changed nothing on the whole."
    chance = "p\u00a0<\u00a00.001" if found.chance < 0.001 else f"p\u00a0=\u00a0{found.chance:.3f}"
    if found.chance < SURE:
        return f"{moved} That is more than chance would do ({chance})."
    return f"{moved} That much may still be chance ({chance}); more questions would tell."


def _decisions(results: Results) -> str:
    share, right = _figure_of(results, findings.answered), _figure_of(results, findings.answered_right)
    if not share.count:
        return "It is sure enough of none of them to answer by itself."
    rest = "" if share.count == share.of else " For the others it says that it has no answer, and suggests the closest."
    return (
        f"It is sure enough to answer {share.value:.0%} of them by itself, and {right.value:.0%} of those answers are "
        f"right.{rest}"
    )


def _warning(now: Share, before: int, found: Findings) -> str:
    if now.count < before:
        sure = "" if found.chance < SURE else " It may be chance, but there is no gain to publish either."
        return f"On these questions the fine-tuned model is worse than the base model.{sure}"
    if now.of < ROUGH:
        return f"With only {now.of} questions every figure here is rough. Read the questions, not the percentages."
    return ""


def figures(results: Results) -> list[Figure]:
    """The shares that people care about; none where nothing was held out."""
    if not results.questions:
        return []
    rows = [
        ("Right answer first", "Of the questions that the FAQ answers: the right answer is the one that is given.", 1),
        ("Right among the first three", "The right answer is given, or is one of the two that follow.", 3),
        ("Right among the first ten", "The right answer is found at all, if someone reads on.", 10),
    ]
    places = [Figure(name, meaning, _bars(results, _within(k))) for name, meaning, k in rows]
    sure = [
        Figure(
            "Answered by itself",
            "Of all questions: it is sure enough to answer. For the others it says that it has no answer.",
            _bars(results, findings.answered),
        ),
        Figure(
            "Answers that are right",
            "Of the answers that it gives by itself. The visitor sees these.",
            _bars(results, findings.answered_right),
        ),
    ]
    if results.counts.unanswerable:
        meaning = "Of the questions that nothing in the FAQ answers: it says so, rather than answer something else."
        sure.append(Figure("Rightly refused", meaning, _bars(results, findings.refused)))
    return [one for one in places + sure if one.bars[-1][1].of]


def _bars(results: Results, of: Callable[..., Share]) -> list[tuple[str, Share]]:
    now = of(results.questions, _after, results.after.threshold)
    if results.before is None:
        return [("base", now)]
    return [("base", of(results.questions, _before, results.before.threshold)), ("fine-tuned", now)]


def _within(k: int) -> Callable[..., Share]:
    return lambda asked, which, _: findings.within(asked, which, k)


def _figure_of(results: Results, of: Callable[..., Share]) -> Share:
    return of(results.questions, _after, results.after.threshold)


def _before(one: Asked) -> Place | None:
    return one.before


def _after(one: Asked) -> Place | None:
    return one.after


def metric_rows(results: Results) -> list[dict[str, str]]:
    """Every figure there is: base, fine-tuned, their difference and its p."""
    rows = []
    for name, now in results.after.figures.items():
        if name in COUNTS or not isinstance(now, float):
            continue
        row = {"name": metric_name(name), "after": f"{now:.3f}", "before": "", "difference": "", "p": ""}
        was = results.before.figures.get(name) if results.before else None
        if isinstance(was, float):
            row |= {"before": f"{was:.3f}", "difference": f"{now - was:+.3f}".replace("-", "−")}
        if found := results.differences.get(name):
            row["p"] = "< 0.001" if found["p"] < 0.001 else f"{found['p']:.3f}"
        rows.append(row)
    return rows


def metric_name(name: str) -> str:
    """A metric as people write it."""
    words = name.replace("_", " ").capitalize()
    return re.sub("|".join(_CASED), lambda found: _CASED[found.group()], words)


def parts(found: Findings) -> list[dict[str, object]]:
    """What became of the questions that can be answered: four kinds that leave none out."""
    rows = [
        ("gained", found.gained, "wrong before, right now"),
        ("kept-right", found.kept_right, "right before and now"),
        ("kept-wrong", found.kept_wrong, "wrong before and now"),
        ("lost", found.lost, "right before, wrong now"),
    ]
    return [{"kind": kind, "count": count, "label": label} for kind, count, label in rows]


def checks(manifest: Manifest) -> dict[str, Any]:
    """The table of the export's checks, and a sentence on what came of them."""
    kept = {name: found for name, found in manifest.checks.items() if isinstance(found, dict)}
    rows = [
        {"name": text, "figures": [f"{found[key]:.4f}" if key in found else "–" for found in kept.values()]}
        for key, text in _CHECKS.items()
        if any(key in found for found in kept.values())
    ]
    names = {"fp32": "32-bit floats", "int8": "8-bit integers"}
    return {"names": [names.get(name, name) for name in kept], "rows": rows, "line": _chosen(manifest, kept)}


def _chosen(manifest: Manifest, found: dict[str, dict[str, Any]]) -> str:
    if manifest.encoding.precision == "int8":
        return (
            "Served in 8-bit integers: a quarter of the size, and faster. This form passed every check against the "
            "model that was trained."
        )
    if "int8" in found:
        return "The 8-bit form failed a check, so the model is served in 32-bit floats: larger and slower, and exact."
    return "Served in 32-bit floats."


def data_rows(run: Run, results: Results, manifest: Manifest) -> list[tuple[str, str]]:
    """What went in, and how it was divided."""
    counts, config = results.counts, run.config
    rows = [
        ("FAQ", str(config.get("data"))),
        ("Labelled questions", str(config.get("queries") or "")),
        ("Entries", f"{counts.entries:,}"),
        ("Phrasings of their questions", f"{counts.phrasings:,}"),
        ("Entries without any question", f"{counts.passages:,}" if counts.passages else ""),
        (
            "Trained on",
            "" if results.note else f"{counts.pairs:,} pairs of texts of {counts.trained_entries:,} entries",
        ),
        ("Shipped", shipped.reason if (shipped := run.shipped()) else ""),
        ("Held out", f"{counts.heldout:,} questions"),
        ("Held out that nothing answers", f"{counts.unanswerable:,}" if counts.unanswerable else ""),
        ("From start to bundle", _took(run, manifest)),
    ]
    return [(name, value) for name, value in rows if value]


def _took(run: Run, manifest: Manifest) -> str:
    began, ended = (datetime.fromisoformat(at) for at in (run.status().created_at, manifest.created_at))
    return duration((ended - began).total_seconds())
