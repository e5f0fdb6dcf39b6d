"""What a FAQ learns from its users: accepted questions of failing intents, and labelled questions for its confidence.

    flock /tmp/heavy.lock python -m benchmarks.learning [--recipe quick | base]

banking50 of ../shared/data without a third of each intent's phrasings. A model is fitted on the rest and published.
Half of the real questions are `asked`: the five intents that fail most of theirs get ten of these as accepted
alternatives. The `other` half measures: the release before, the next one with the same model, and one after a new fit
on the store. Differences are paired by question; intervals are of 2,000 bootstraps over questions. Confidence is
measured on the `other` questions of the next release, a fifth of them without an answer as stated, calibrated with and
without 150 golden questions of the `asked` half. With `--recipe base` the base model is published and nothing is
trained. Writes benchmarks/results/learning.json and .md, or learning_base.
"""

import argparse
import asyncio
import hashlib
import json
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from app.arrays import Floats
from app.golden.judging import Expected, Outcome
from app.golden.questions import GoldenStore, NewQuestion
from app.knowledge.entry import Entry
from app.knowledge.files import read_entries
from app.knowledge.queries import Query, read_queries
from app.knowledge.store import Store
from app.ranking.unanswerable import DEFAULT_SHARE
from app.releases.catalog import Catalog
from app.releases.examining import Examiner, opened
from app.releases.reindexing import reindex
from app.releases.sources import BASE, Source
from app.settings import Settings
from benchmarks.places import RESULTS, SHARED

FAILING, ACCEPTED, GOLDEN = 5, 10, 150  # intents; questions of each; questions that calibrate
RESAMPLES = 2_000


@dataclass(frozen=True)
class Half:
    """Questions, and what each release answers to them."""

    questions: list[Expected]
    outcomes: dict[str, list[Outcome]]


def main() -> None:
    """Publish, learn, measure, write."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--recipe", default="quick")
    options = parser.parse_args()
    entries = [thinned(entry) for entry in read_entries(SHARED / "banking50.jsonl").entries]
    asked, other = halves(read_queries(SHARED / "banking50_queries.jsonl"))
    with tempfile.TemporaryDirectory() as work:
        report = learned(Path(work), entries, asked, other, options.recipe)
    report["recipe"] = options.recipe
    name = "learning" if options.recipe != BASE else "learning_base"
    (RESULTS / f"{name}.json").write_text(json.dumps(report, indent=2) + "\n", "utf-8")
    (RESULTS / f"{name}.md").write_text(table(report), "utf-8")
    print(table(report))


def learned(
    work: Path, entries: Sequence[Entry], asked: Sequence[Expected], other: Sequence[Expected], recipe: str
) -> dict[str, Any]:
    """The whole course of events in one FAQ_HOME."""
    settings = Settings(home=work / "home", golden_max_broken=10_000)
    with closing(Store.open(settings.sqlalchemy_url)) as store:
        store.import_entries(entries, "replace")
        first = reindex(settings, fitted(settings, work / "first", recipe))
        failed = outcomes(settings, first, asked)
        failing = failing_intents(asked, failed)
        accepted = accepted_questions(asked, failed, failing)
        store.import_entries([grown(entry, accepted) for entry in entries], "replace")
        same_model = reindex(settings)
        releases = {"before": first, "same model": same_model}
        results = {name: outcomes(settings, release, other) for name, release in releases.items()}
        confidence = {"without golden questions": reliability(other, results["same model"])}
        if recipe != BASE:
            refitted = reindex(settings, fitted(settings, work / "second", recipe))
            results["new fit"] = outcomes(settings, refitted, other)
        GoldenStore(store.database).take(golden_of(asked, accepted))
        strict = settings.model_copy(update={"target_precision": 0.801})  # another release of the same bundle
        calibrated = reindex(strict, settings.home / "models" / same_model.split("-")[1])
        confidence[f"with {GOLDEN} golden questions"] = reliability(other, outcomes(settings, calibrated, other))
    return {"failing": failing, "differences": differences(other, results, failing), "confidence": confidence}


def thinned(entry: Entry) -> Entry:
    """The entry without a third of its phrasings; the canonical one stays."""
    kept = sorted(entry.alternatives, key=digest)[: len(entry.alternatives) - round(len(entry.phrasings) / 3)]
    return entry.model_copy(update={"alternatives": tuple(text for text in entry.alternatives if text in kept)})


def halves(queries: Sequence[Query]) -> tuple[list[Expected], list[Expected]]:
    """Two halves of each intent's questions, and of those without an answer."""
    by_entry: dict[str | None, list[Expected]] = {}
    for query in sorted(queries, key=lambda query: digest(query.question)):
        by_entry.setdefault(query.faq_id, []).append(Expected(query.question, query.faq_id))
    asked = [question for questions in by_entry.values() for question in questions[::2]]
    return asked, [question for questions in by_entry.values() for question in questions[1::2]]


def digest(text: str) -> str:
    """Sorts texts at random, the same everywhere."""
    return hashlib.sha256(text.encode()).hexdigest()


def fitted(settings: Settings, out: Path, recipe: str) -> Source:
    """The bundle of a run on what the store holds, as the command line makes it; or the base model."""
    if recipe == BASE:
        return BASE
    command = ["-m", "trainer", "fit", "--database", str(settings.home), "--recipe", recipe, "--out", str(out)]
    subprocess.run([sys.executable, *command], check=True, stdout=subprocess.DEVNULL)
    return out / "bundle"


def outcomes(settings: Settings, release: str, questions: Sequence[Expected]) -> list[Outcome]:
    """What a release answers to each of the questions."""

    async def run() -> list[Outcome]:
        catalog = Catalog(settings)
        try:
            async with opened(catalog, release) as answerer:
                return await Examiner().outcomes(answerer, questions)
        finally:
            await catalog.close()

    return asyncio.run(run())


def failing_intents(questions: Sequence[Expected], results: Sequence[Outcome]) -> list[str]:
    """The intents whose questions are answered right least often."""
    right: dict[str, list[bool]] = {}
    for question, result in zip(questions, results, strict=True):
        if question.faq_id:
            right.setdefault(question.faq_id, []).append(bool(result.right))
    return sorted(right, key=lambda intent: (np.mean(right[intent]), intent))[:FAILING]


def accepted_questions(
    questions: Sequence[Expected], results: Sequence[Outcome], failing: Sequence[str]
) -> dict[str, tuple[str, ...]]:
    """Ten questions of each failing intent, those that failed first, as a person accepts them."""
    pairs = sorted(zip(questions, results, strict=True), key=lambda pair: bool(pair[1].right))
    return {
        intent: tuple(question.question for question, _ in pairs if question.faq_id == intent)[:ACCEPTED]
        for intent in failing
    }


def grown(entry: Entry, accepted: dict[str, tuple[str, ...]]) -> Entry:
    """The entry with the questions that were accepted for it."""
    return entry.model_copy(update={"alternatives": (*entry.alternatives, *accepted.get(entry.id, ()))})


def golden_of(asked: Sequence[Expected], accepted: dict[str, tuple[str, ...]]) -> list[NewQuestion]:
    """A sample of the asked questions that were not accepted, answerable and not."""
    taken = {text for texts in accepted.values() for text in texts}
    rest = sorted((item for item in asked if item.question not in taken), key=lambda item: digest(item.question))
    return [NewQuestion(item.question, item.faq_id, "log") for item in rest[:GOLDEN]]


def differences(
    questions: Sequence[Expected], results: dict[str, list[Outcome]], failing: Sequence[str]
) -> dict[str, dict[str, Any]]:
    """Helped and precision@1 of each release, and the paired differences to the release before."""
    groups = {
        "the five intents": [i for i, item in enumerate(questions) if item.faq_id in failing],
        "other intents": [i for i, item in enumerate(questions) if item.faq_id and item.faq_id not in failing],
        "no answer": [i for i, item in enumerate(questions) if item.faq_id is None],
    }
    report: dict[str, dict[str, Any]] = {}
    for group, positions in groups.items():
        chosen = [questions[i] for i in positions]
        values = {name: scores(chosen, [every[i] for i in positions]) for name, every in results.items()}
        report[group] = {"questions": len(positions)}
        for measure in ("helped", "precision@1"):
            before = values["before"][measure]
            report[group][measure] = {
                name: {"mean": interval(value[measure]), "difference": interval(value[measure] - before)}
                for name, value in values.items()
            }
    return report


def scores(questions: Sequence[Expected], results: Sequence[Outcome]) -> dict[str, Floats]:
    """1 or 0 for each question: whether its reply is right, and whether its entry is the first candidate."""
    first = [result.nearest[0] == item.faq_id for item, result in zip(questions, results, strict=True)]
    helped = [bool(result.right) for result in results]
    return {"helped": np.array(helped, dtype=float), "precision@1": np.array(first, dtype=float)}


def interval(values: Floats) -> list[float]:
    """The mean, and the 95 % interval of the bootstrap over questions."""
    random = np.random.default_rng(0)
    means = values[random.integers(0, len(values), (RESAMPLES, len(values)))].mean(axis=1)
    return [round(float(value), 4) for value in (values.mean(), *np.quantile(means, (0.025, 0.975)))]


def reliability(questions: Sequence[Expected], results: Sequence[Outcome]) -> dict[str, float]:
    """The Brier score of the first candidate's confidence, and mean confidence minus accuracy, at the stated share."""
    answerable = [i for i, item in enumerate(questions) if item.faq_id]
    unanswerable = [i for i, item in enumerate(questions) if item.faq_id is None]
    count = round(len(answerable) * DEFAULT_SHARE / (1 - DEFAULT_SHARE))
    chosen = [*answerable, *unanswerable[:count]]  # these are in the order of a hash of their texts
    questions, results = [questions[i] for i in chosen], [results[i] for i in chosen]
    confidence = np.array([result.confidence for result in results])
    right = scores(questions, results)["precision@1"]
    return {
        "brier": round(float(((confidence - right) ** 2).mean()), 4),
        "confidence_minus_accuracy": round(float((confidence - right).mean()), 4),
        "helped": round(float(np.mean([bool(result.right) for result in results])), 4),
    }


def table(report: dict[str, Any]) -> str:
    """The report as Markdown."""
    releases = report["differences"]["the five intents"]["helped"]
    lines = [
        "# Learning from accepted questions",
        "",
        f"banking50, recipe `{report['recipe']}`; failing intents: {', '.join(report['failing'])}.",
        "",
        f"| questions | | {' | '.join(releases)} |",
        f"|---|---|{'---|' * len(releases)}",
    ]
    for group, rows in report["differences"].items():
        for measure in ("helped", "precision@1"):
            if group == "no answer" and measure == "precision@1":
                continue
            cells = []
            for name, cell in rows[measure].items():
                change, low, high = cell["difference"]
                if name == "before":
                    change, low, high = cell["mean"]
                    cells.append(f"{change:.3f} [{low:.3f}, {high:.3f}]")
                else:
                    cells.append(f"{cell['mean'][0]:.3f} ({change:+.3f} [{low:+.3f}, {high:+.3f}])")
            lines.append(f"| {group} ({rows['questions']}) | {measure} | {' | '.join(cells)} |")
    lines += ["", "| calibrated on | Brier score | confidence minus accuracy | helped |", "|---|---|---|---|"]
    for name, row in report["confidence"].items():
        lines.append(f"| {name} | {row['brier']:.4f} | {row['confidence_minus_accuracy']:+.4f} | {row['helped']:.4f} |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
