"""Quality over HTTP: real questions asked of the running service, by each way of ranking.

    python -m benchmarks.quality [--work DIR] [--only cloud,clinc150,sofmattress,sample] [--reranker] [--questions N]

For each FAQ: the base model by meaning alone, the fine-tuned one by meaning alone, by meaning and words as served, with
its reranker (`auto` and `on`), and, for comparison, by words alone and by rank fusion. Every system is a bundle in a
FAQ_HOME of its own, published and served as a user would. Questions are of development splits: none was trained on.

P@1, MRR, recall@10      over the questions that something answers, asked with top_k 50 and min_confidence 0
coverage@90              the largest share of all questions answered with at least 90 % of the answers right, the
                         threshold chosen on one half and measured on the other, over 20 random halves
calibration error        10 bins of equal mass, over the same halves; beside it the upper end of a perfect one's 95 %
helped, wrong, …         what the service replies with `top_k` 1 at the release's own thresholds, as
                         `app.ranking.decision.effects` defines it
answered, accuracy       at the release's own threshold; accuracy counts all questions, and abstaining is wrong
AUROC                    of the confidence, of answerable against unanswerable questions

Writes benchmarks/results/quality.json and .md. A run that the work directory holds is not trained again.
"""

import argparse
import asyncio
import json
import os
import random
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import httpx

from app.encoding.bundle import RANKING, Bundle, seal
from app.ranking.ranking import Ranking
from benchmarks.cloud_faq import SHARED, split_files
from benchmarks.scoring import Reply, figures

RESULTS = Path(__file__).parent / "results"
CONCURRENT = 4
RANKED = ("questions", "P@1", "MRR", "recall@10")
PORT = 8391
FUSION = 60  # the constant of reciprocal rank fusion (Cormack et al. 2009)
WORDS, FUSED = "words alone", "rank fusion of meaning and words"
BY_MEANING = {"lexical_weight": 0.0}


class Faq(NamedTuple):
    """What is trained on, what is served, and what is asked."""

    data: Path
    knowledge: Path
    queries: Path


class System(NamedTuple):
    """A way of ranking: the model, what of its ranking is changed, and whether to read again."""

    tuned: bool
    changes: dict[str, Any]
    rerank: str = "off"


SYSTEMS = {
    "base, by meaning": System(False, BY_MEANING),
    "base": System(False, {}),
    "fine-tuned, by meaning": System(True, BY_MEANING),
    "fine-tuned": System(True, {}),
    WORDS: System(True, {"lexical_weight": 100.0}),
}
RERANKED = {"+ reranker, auto": System(True, {}, "auto"), "+ reranker, on": System(True, {}, "on")}


def main() -> None:
    """Train, publish, ask, write."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0] if __doc__ else None)
    parser.add_argument("--work", type=Path, default=Path("/tmp/faqtual-quality"))
    parser.add_argument("--only", default="sample,sofmattress,clinc150,cloud")
    parser.add_argument("--recipe", default="default")
    parser.add_argument("--reranker", action="store_true", help="train a reranker too, and measure it")
    parser.add_argument("--questions", type=int, help="of each FAQ, at most; the same ones every time. Unset: all")
    options = parser.parse_args()
    faqs = faqs_of(options.work, options.questions)
    path = RESULTS / "quality.json"
    report: dict[str, Any] = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    for name in options.only.split(","):
        report[name] = measured(faqs[name], options.work / name, options.recipe, options.reranker)
        RESULTS.mkdir(exist_ok=True)
        path.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
        (RESULTS / "quality.md").write_text(page(report), encoding="utf-8")
    print(page(report))


def faqs_of(work: Path, questions: int | None) -> dict[str, Faq]:
    """The FAQs to measure on, each with so many questions at most."""
    work.mkdir(parents=True, exist_ok=True)
    cloud = split_files(SHARED / "cloud_faq_train.jsonl", work)
    own = Path("data")
    mixed = work / "sample_questions.jsonl"
    mixed.write_bytes((own / "questions.jsonl").read_bytes() + (own / "unanswerable.jsonl").read_bytes())
    sofmattress, clinc150 = SHARED / "hint3_sofmattress.jsonl", SHARED / "clinc150.jsonl"
    faqs = {
        "cloud": Faq(cloud["train"], cloud["all_answers"], cloud["queries"]),
        "clinc150": Faq(clinc150, clinc150, SHARED / "clinc150_val_queries.jsonl"),
        "sofmattress": Faq(sofmattress, sofmattress, SHARED / "hint3_sofmattress_queries.jsonl"),
        "sample": Faq(own / "faq.jsonl", own / "faq.jsonl", mixed),
    }
    if questions is None:
        return faqs
    return {
        name: faq._replace(queries=_some(faq.queries, questions, work / f"{name}.jsonl")) for name, faq in faqs.items()
    }


def _some(queries: Path, count: int, target: Path) -> Path:
    """A sample of the questions, in a file of its own."""
    lines = queries.read_text(encoding="utf-8").splitlines(keepends=True)
    target.write_text("".join(random.Random(0).sample(lines, min(count, len(lines)))), encoding="utf-8")
    return target


def measured(faq: Faq, work: Path, recipe: str, reranker: bool) -> dict[str, Any]:
    """All systems on one FAQ."""
    runs = {
        False: trained(faq, work / "base", ["--epochs", "0"]),
        True: trained(faq, work / "tuned", ["--recipe", recipe, *(["--reranker"] if reranker else [])]),
    }
    report: dict[str, Any] = {}
    answers: dict[str, list[Reply]] = {}
    reranked = Bundle.load(runs[True]).manifest.reranker is not None
    for name, system in {**SYSTEMS, **(RERANKED if reranked else {})}.items():
        bundle = changed(Bundle.load(runs[system.tuned]), system.changes, work / "bundle")
        with served(bundle, faq.knowledge, work / "home", system.rerank) as client:
            answers[name] = asyncio.run(asked(client, queries_of(faq.queries)))
        report[name] = figures(answers[name], relevant(faq))
    pairs = zip(answers["fine-tuned, by meaning"], answers[WORDS], strict=True)
    report[FUSED] = figures([fused(*pair) for pair in pairs], relevant(faq))
    for name in (WORDS, FUSED):  # there is no confidence in these
        report[name] = {column: value for column, value in report[name].items() if column in RANKED}
    return report


def trained(faq: Faq, directory: Path, options: list[str]) -> Path:
    """The bundle of a run, trained unless it is there."""
    directory.parent.mkdir(parents=True, exist_ok=True)
    if not (directory / "bundle").is_dir():
        given = (
            ["--resume", str(directory)] if directory.is_dir() else ["--data", str(faq.data), "--out", str(directory)]
        )
        subprocess.run(
            [sys.executable, "-m", "trainer", "fit", *given, *(options if "--out" in given else [])], check=True
        )
    return directory / "bundle"


def changed(bundle: Bundle, changes: dict[str, Any], target: Path) -> Bundle:
    """A copy of a bundle with another ranking."""
    shutil.rmtree(target, ignore_errors=True)
    shutil.copytree(bundle.directory, target)
    ranking = Ranking.of(bundle).model_copy(update=changes)
    (target / RANKING).write_text(ranking.model_dump_json(exclude_none=True), encoding="utf-8")
    kept = bundle.manifest.model_dump(exclude={"encoding", "reranker", "files", "revision", "schema_version"})
    seal(target, encoding=bundle.manifest.encoding, reranker=bundle.manifest.reranker, **kept)
    return Bundle.load(target)


@contextmanager
def served(bundle: Bundle, knowledge: Path, home: Path, rerank: str) -> Iterator[str]:
    """The service on that knowledge; yields its address."""
    shutil.rmtree(home, ignore_errors=True)
    settings = {"FAQ_HOME": str(home), "FAQ_PORT": str(PORT), "FAQ_RERANK": rerank, "FAQ_LANGUAGE": "english"}
    environment = {**os.environ, **settings}
    for command in (["import", str(knowledge)], ["reindex", "--bundle", str(bundle.directory)]):
        subprocess.run([sys.executable, "-m", "app", *command], env=environment, check=True, stdout=subprocess.DEVNULL)
    process = subprocess.Popen([sys.executable, "-m", "app"], env=environment, stderr=subprocess.DEVNULL)
    try:
        address = f"http://127.0.0.1:{PORT}"
        _wait(address)
        yield address
    finally:
        process.terminate()
        process.wait()


def _wait(address: str) -> None:
    for _ in range(200):
        try:
            if httpx.get(f"{address}/readyz").status_code == 200:
                return
        except httpx.TransportError:
            pass
        time.sleep(0.1)
    raise SystemExit("The service did not get ready.")


async def asked(address: str, questions: Sequence[str]) -> list[Reply]:
    """Every question twice: all candidates for the ranking, and as a user asks, for the decision."""
    gate = asyncio.Semaphore(CONCURRENT)
    async with httpx.AsyncClient(base_url=address, timeout=60) as client:

        async def reply_to(question: str) -> Reply:
            async with gate:
                body = {"question": question, "top_k": 50, "min_confidence": 0}
                every = (await client.post("/v1/ask", json=body)).raise_for_status().json()
                usual = (
                    (await client.post("/v1/ask", json={"question": question, "top_k": 1})).raise_for_status().json()
                )
            answers = every["answers"]
            ids = [answer["faq_id"] for answer in answers]
            shown = [answer["faq_id"] for answer in usual["answers"]]
            return Reply(ids, answers[0]["confidence"], usual["status"], shown, usual["took_ms"])

        return await asyncio.gather(*(reply_to(question) for question in questions))


def queries_of(path: Path) -> list[str]:
    """The questions of a file."""
    return [row["question"] for row in _rows(path)]


def relevant(faq: Faq) -> list[set[str]]:
    """The ids of what answers each question; none: nothing does."""
    by_answer: dict[str, set[str]] = {}
    answers: dict[str, str] = {}
    for row in _rows(faq.knowledge):
        by_answer.setdefault(row["answer"], set()).add(row["id"])
        answers[row["id"]] = row["answer"]
    right = [row.get("answer") or answers.get(row.get("faq_id") or "") for row in _rows(faq.queries)]
    return [by_answer.get(answer or "", set()) for answer in right]


def fused(first: Reply, second: Reply) -> Reply:
    """Reciprocal rank fusion of two rankings."""
    scores: dict[str, float] = {}
    for ids in (first.ids, second.ids):
        for place, name in enumerate(ids, start=1):
            scores[name] = scores.get(name, 0) + 1 / (FUSION + place)
    return second._replace(ids=sorted(scores, key=lambda name: -scores[name]))


def page(report: dict[str, Any]) -> str:
    """The report as a page of Markdown."""
    columns = (
        *("P@1", "MRR", "recall@10", "coverage@90", "calibration error", "of a perfect one", "AUROC"),
        *("helped", "wrong", "unanswerable_answered", "unanswerable_offered"),
        *("answered", "answered right", "accuracy in scope", "refused", "p50 ms"),
    )
    lines = ["# Quality over HTTP", "", "`python -m benchmarks.quality`; its docstring says what each column is."]
    for name, systems in report.items():
        questions = next(iter(systems.values()))["questions"]
        lines += ["", f"## {name}, {questions:,} answerable questions", "", f"| | {' | '.join(columns)} |"]
        lines.append("|---" * (len(columns) + 1) + "|")
        for system, values in systems.items():
            cells = [
                f"{values[column]:.{1 if column == 'p50 ms' else 3}f}" if column in values else "" for column in columns
            ]
            lines.append(f"| {system} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def _rows(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines() if line]


if __name__ == "__main__":
    main()
