"""The sentences and figures of the report, for the owners of a FAQ, who need not know the names of metrics."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from app.encoding.bundle import Manifest
from trainer.evaluation.figures import COUNTS
from trainer.evaluation.statistics import p_equation, p_value
from trainer.reports import findings
from trainer.reports.findings import SURE, Findings, Share
from trainer.reports.results import Place, Results
from trainer.runs import Run, duration

ROUGH = 100  # with fewer held-out questions the report warns that its figures are rough
_CHECKS = {
    "parity": "Agreement with the trained model (mean cosine; 1 is equal)",
    "parity_least": "… for the text that differs most",
    "batch_independence": "Same result alone as among 15 other texts (least cosine)",
    "precision@1_cost": "Loss of “right answer first” by 8 bits",
    "mrr_cost": "Loss of mean reciprocal rank by 8 bits",
}
LEARNED = {
    "feedback": "Questions whose right entry users named",
    "negatives": "Questions that an entry must not answer",
    "golden": "Golden questions, all held out",
    "golden_unanswerable": "Golden questions without an answer, all held out",
}
_CASED = {"Mrr": "MRR", "Ndcg": "nDCG", "Dcg": "DCG", "Auroc": "AUROC", "R precision": "R-precision"}

Measure = Callable[[Sequence[Place], float], Share]  # of a system's answers, at its threshold


@dataclass(frozen=True)
class Verdict:
    """The summary at the top of the report."""

    title: str
    lines: list[str]
    warning: str = ""


@dataclass(frozen=True)
class Figure:
    """A share, what it means, and its value for each system, the base model first."""

    name: str
    meaning: str
    bars: list[tuple[str, Share]]

    @property
    def note(self) -> str:
        """The counts and the interval of the last bar."""
        share = self.bars[-1][1]
        low, high = share.interval
        return f"{share.count:,} of {share.of:,}, 95% interval {low:.0%} to {high:.0%}"


def verdict(results: Results, by_result: Findings) -> Verdict:
    """The summary: what came first, before and after, and whether chance explains the difference."""
    now = findings.within(results.places_after, 1)
    if not now.of:
        title = "No questions could be held out, so nothing was measured."
        return Verdict(
            title, [results.note or "Add more phrasings to the FAQ, or give labelled questions by --queries."]
        )
    comes = f"The right answer comes first for {now.count:,} of {now.of:,}"
    if results.before is None:
        return Verdict(f"{comes} questions, with the base model.", [results.note or "", _decisions(results)])
    before = findings.within(results.places_before, 1).count
    change = "as before" if before == now.count else f"{'up' if now.count > before else 'down'} from {before:,}"
    lines = [_significance(by_result), _decisions(results)]
    return Verdict(f"{comes} new questions, {change}.", lines, _warning(now, before, by_result))


def _significance(by_result: Findings) -> str:
    moved = f"{by_result.gained:,} went from wrong to right, {by_result.lost:,} from right to wrong."
    if by_result.gained == by_result.lost:
        return f"{moved} Overall, the training changed nothing on these questions."
    chance = p_equation(by_result.chance).replace(" ", "\u00a0")
    if by_result.chance < SURE:
        return f"{moved} Chance hardly explains this difference ({chance})."
    return f"{moved} Chance may explain this difference ({chance}); measure more questions to be sure."


def _decisions(results: Results) -> str:
    places, threshold = results.places_after, results.after.threshold
    share, right = findings.answered(places, threshold), findings.answered_right(places, threshold)
    if not share.count:
        return "Its confidence is too low to answer any of them by itself."
    rest = (
        ""
        if share.count == share.of
        else " For the others it offers two or three entries, or says that it has no answer."
    )
    return f"It answers {share.value:.0%} of them by itself, and {right.value:.0%} of these answers are right.{rest}"


def _warning(now: Share, before: int, by_result: Findings) -> str:
    if now.count < before:
        sure = "" if by_result.chance < SURE else " This may be chance, but there is no gain in publishing it."
        return f"On these questions the fine-tuned model is worse than the base model.{sure}"
    if now.of < ROUGH:
        return f"With only {now.of} questions, every percentage here is rough. Read the questions below instead."
    return ""


def figures(results: Results) -> list[Figure]:
    """The main figures; none where nothing was held out."""
    if not results.questions:
        return []
    rows: list[tuple[str, str, Measure]] = [
        ("Right answer first", "Of the questions that the FAQ answers: the first answer is right.", _within(1)),
        ("Right among the first three", "One of the first three answers is right.", _within(3)),
        ("Right among the first ten", "One of the first ten answers is right.", _within(10)),
        (
            "Answered by itself",
            "Of all questions: its confidence is high enough. For the others it offers two or three entries, or none.",
            findings.answered,
        ),
        ("Answers that are right", "Of the answers that it gives by itself.", findings.answered_right),
        (
            "Rightly refused",
            "Of the questions that nothing in the FAQ answers: it gives none of its entries as the answer.",
            findings.refused,
        ),
    ]
    every = [Figure(name, meaning, _bars(results, measure)) for name, meaning, measure in rows]
    return [figure for figure in every if figure.bars[-1][1].of]


def _bars(results: Results, measure: Measure) -> list[tuple[str, Share]]:
    now = measure(results.places_after, results.after.threshold)
    if results.before is None:
        return [("base", now)]
    return [("base", measure(results.places_before, results.before.threshold)), ("fine-tuned", now)]


def _within(k: int) -> Measure:
    return lambda places, _: findings.within(places, k)


def metric_rows(results: Results) -> list[dict[str, str]]:
    """Every figure as text: base, fine-tuned, their difference and its p."""
    rows = []
    for name, now in results.after.figures.items():
        if name in COUNTS or not isinstance(now, float):
            continue
        row = {"name": metric_name(name), "after": f"{now:.3f}", "before": "", "difference": "", "p": ""}
        was = results.before.figures.get(name) if results.before else None
        if isinstance(was, float):
            row |= {"before": f"{was:.3f}", "difference": f"{now - was:+.3f}".replace("-", "−")}
        if change := results.differences.get(name):
            row["p"] = p_value(change["p"])
        rows.append(row)
    return rows


def metric_name(name: str) -> str:
    """The name of a metric for display."""
    words = name.replace("_", " ").capitalize()
    return re.sub("|".join(_CASED), lambda match: _CASED[match.group()], words)


def parts(by_result: Findings) -> list[dict[str, object]]:
    """The answerable questions by right or wrong, before and now: four kinds that add up to all."""
    rows = [
        ("gained", by_result.gained, "wrong before, right now"),
        ("kept-right", by_result.kept_right, "right before and now"),
        ("kept-wrong", by_result.kept_wrong, "wrong before and now"),
        ("lost", by_result.lost, "right before, wrong now"),
    ]
    return [{"kind": kind, "count": count, "label": label} for kind, count, label in rows]


def checks(manifest: Manifest) -> dict[str, Any]:
    """The table of the export's checks, and a sentence about the form that is served."""
    kept = {name: values for name, values in manifest.checks.items() if isinstance(values, dict)}
    rows = [
        {"name": text, "figures": [f"{values[key]:.4f}" if key in values else "–" for values in kept.values()]}
        for key, text in _CHECKS.items()
        if any(key in values for values in kept.values())
    ]
    names = {"fp32": "32-bit floats", "int8": "8-bit integers"}
    return {"names": [names.get(name, name) for name in kept], "rows": rows, "line": _chosen(manifest, kept)}


def _chosen(manifest: Manifest, checks: dict[str, dict[str, Any]]) -> str:
    if manifest.encoding.precision == "int8":
        return (
            "The model is served in 8-bit integers: a quarter of the size, and faster. This form passed every check "
            "against the trained model."
        )
    if "int8" in checks:
        return "The 8-bit form failed a check, so the model is served in 32-bit floats: exact, but larger and slower."
    return "The model is served in 32-bit floats."


def data_rows(run: Run, results: Results, manifest: Manifest) -> list[tuple[str, str]]:
    """The training data and its split, as names and values."""
    counts, config = results.counts, run.config
    rows = [
        ("FAQ", str(config.get("data") or "the store")),
        ("Labelled questions", str(config.get("queries") or "")),
        *((name, f"{number:,}" if number else "") for name, number in learned_counts(config)),
        ("Entries", f"{counts.entries:,}"),
        ("Phrasings of their questions", f"{counts.phrasings:,}"),
        ("Entries without any question", f"{counts.passages:,}" if counts.passages else ""),
        (
            "Trained on",
            "" if results.note else f"{counts.pairs:,} pairs of texts of {counts.trained_entries:,} entries",
        ),
        ("Shipped", shipped.reason if (shipped := run.shipped()) else ""),
        ("Held out", f"{counts.heldout:,} questions"),
        ("Held-out questions without an answer", f"{counts.unanswerable:,}" if counts.unanswerable else ""),
        ("From start to bundle", _took(run, manifest)),
    ]
    return [(name, value) for name, value in rows if value]


def learned_counts(config: Mapping[str, Any]) -> list[tuple[str, int]]:
    """What the run learned from a store beside its entries, as names and numbers; empty for a run on a file."""
    counts = config.get("learned") or {}
    return [(title, counts.get(name, 0)) for name, title in LEARNED.items()] if counts else []


def _took(run: Run, manifest: Manifest) -> str:
    began, ended = (datetime.fromisoformat(at) for at in (run.status().created_at, manifest.created_at))
    return duration((ended - began).total_seconds())
