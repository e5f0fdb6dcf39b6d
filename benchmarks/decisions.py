"""What the service replies on the sample FAQ: before joint offers and with them, and for other precisions.

    python -m benchmarks.decisions [--work DIR]

Fine-tunes the sample FAQ, unless the work directory holds the run, and asks the 642 test questions of an index of it.
The calibration is fitted on the phrasings that training holds out, as a release's is. Figures are those of
`app.ranking.decision.effects`. The row `before` is the rule up to then: one threshold, and `ambiguous` where the
runner-up's confidence is at least .85 of the best one's and both reach it.

The test questions chose the default precisions, so the figures of the default row flatter it.

Writes benchmarks/results/decisions.json and .md.
"""

import argparse
import json
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from app.encoding.bundle import Bundle
from app.encoding.encoder import Encoder
from app.knowledge.files import read_entries
from app.knowledge.queries import read_queries
from app.ranking.decision import Case, Decision, decide, measured
from app.ranking.defaults import OFFER_PRECISION, PRECISION
from app.ranking.fitting import calibrate
from app.ranking.heldout import Asked, Outcome
from app.ranking.ranked import Ranked
from app.ranking.ranking import Ranking
from benchmarks.places import RESULTS
from trainer.evaluation.served import served
from trainer.evaluation.weights import chosen

DATA = Path("data")
BEFORE, CLOSE = 0.8, 0.85  # the target precision and the closeness of the rule before
PRECISIONS = (0.8, 0.85, 0.9, 0.91, 0.95)
OFFERS = (0.6, 0.65, 0.7, 0.72, 0.75)
FIGURES = ("helped", "wrong", "unanswerable_answered", "unanswerable_offered")

Rule = Callable[[Ranked, Ranking], Decision]


def main() -> None:
    """Measure and write the report."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0] if __doc__ else None)
    parser.add_argument("--work", type=Path, default=Path("runs/decisions"))
    options = parser.parse_args()
    if not (options.work / "bundle").is_dir():
        command = [
            sys.executable,
            "-m",
            "trainer",
            "fit",
            "--data",
            str(DATA / "faq.jsonl"),
            "--out",
            str(options.work),
        ]
        subprocess.run(command, check=True)
    heldout, tests, bundle = asked(Bundle.load(options.work / "bundle"))
    rows = [row("before", heldout, tests, fitted(heldout, Ranking.of(bundle), BEFORE, OFFER_PRECISION), before)]
    rows += [row("default", heldout, tests, fitted(heldout, Ranking.of(bundle), PRECISION, OFFER_PRECISION), joint)]
    rows += [
        row(f"{answer:g} / {offer:g}", heldout, tests, fitted(heldout, Ranking.of(bundle), answer, offer), joint)
        for answer in PRECISIONS
        for offer in OFFERS
    ]
    RESULTS.joinpath("decisions.json").write_text(json.dumps(rows, indent=2) + "\n", encoding="utf-8")
    RESULTS.joinpath("decisions.md").write_text(page(rows), encoding="utf-8")
    print(page(rows))


def asked(bundle: Bundle) -> tuple[list[Outcome], list[Outcome], Bundle]:
    """What becomes of the held-out and of the test questions."""
    entries = read_entries(DATA / "faq.jsonl").entries
    queries = [*read_queries(DATA / "questions.jsonl"), *read_queries(DATA / "unanswerable.jsonl")]
    same: dict[str, set[str]] = {}
    for entry in entries:
        same.setdefault(entry.answer, set()).add(entry.id)
    right = {entry.id: frozenset(same[entry.answer]) for entry in entries}
    with served(bundle, entries, Encoder(bundle)) as index:
        heldout = index.ask_heldout(chosen(list(bundle.heldout())))
        tests = index.ask([Asked(query.question, right.get(query.faq_id or "", frozenset())) for query in queries])
    return heldout, tests, bundle


def fitted(heldout: Sequence[Outcome], ranking: Ranking, answer: float, offer: float) -> Ranking:
    """The ranking, calibrated for these precisions."""
    wanted = ranking.model_copy(update={"target_precision": answer, "offer_precision": offer})
    return wanted.model_copy(update={"calibration": calibrate(heldout, wanted).calibration})


def joint(ranked: Ranked, ranking: Ranking) -> Decision:
    """The rule that serves."""
    return decide(ranked, 1, ranking.calibration)


def before(ranked: Ranked, ranking: Ranking) -> Decision:
    """The rule before."""
    confident = np.flatnonzero(ranked.confidences >= ranking.calibration.threshold).tolist()
    if not confident:
        return Decision("no_answer", [])
    if len(confident) > 1:
        first, second = confident[:2]
        tied = ranked.confidences[second] >= CLOSE * ranked.confidences[first]
        if tied and ranked.answers[second] != ranked.answers[first]:
            return Decision("ambiguous", confident[:2])
    return Decision("answered", confident[:1])


def row(
    name: str, heldout: Sequence[Outcome], tests: Sequence[Outcome], ranking: Ranking, rule: Rule
) -> dict[str, Any]:
    """One row of the report."""
    calibration = ranking.calibration
    return {
        "rule": name,
        "answer threshold": calibration.threshold,
        "offer threshold": None if rule is before else calibration.offer.threshold,
        "maps": None if rule is before else [calibration.offer.two, calibration.offer.three],
        **{
            name: round(value, 4)
            for name, value in measured([case(outcome, ranking, rule) for outcome in tests]).items()
        },
        "held out": {
            name: round(value, 4)
            for name, value in measured([case(outcome, ranking, rule) for outcome in heldout]).items()
        },
    }


def case(outcome: Outcome, ranking: Ranking, rule: Rule) -> Case:
    """What becomes of one question."""
    ranked = ranking.rank(outcome.question, outcome.hits)
    status, shown = rule(ranked, ranking)
    return Case(status, [entry_id in outcome.relevant for entry_id in ranked.take(shown).ids()], outcome.answerable)


def page(rows: Sequence[dict[str, Any]]) -> str:
    """The report as a page of Markdown."""
    lines = [
        "# Decisions on the sample FAQ",
        "",
        "`python -m benchmarks.decisions`; its docstring says what this is.",
        "",
    ]
    lines += [f"| answer / offer precision | thresholds | {' | '.join(FIGURES)} |", "|---" * (2 + len(FIGURES)) + "|"]
    for row in rows:
        thresholds = " / ".join(f"{row[key]:.2f}" for key in ("answer threshold", "offer threshold") if row[key])
        lines.append(f"| {row['rule']} | {thresholds} | {' | '.join(f'{row[name]:.3f}' for name in FIGURES)} |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
