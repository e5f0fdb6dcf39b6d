"""What a reranker adds on the cloud FAQ: question -> all answers, on questions and entries that neither model saw.

    python -m benchmarks.reranker [--work /tmp/faqtual-bench] [--questions 20000] [--heldout 500] [--measured 1593]

Takes the run that `benchmarks.cloud_faq` left in the work directory: its model mines the negatives and its bundle is
what the reranker is added to, as `work/reranked`. Writes benchmarks/results/reranker.json and .md.
"""

import argparse
import json
import logging
import shutil
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np

from app.knowledge.files import read_entries
from app.knowledge.queries import Query, read_queries
from app.retrieval.bundle import RANKING, Bundle, seal
from app.retrieval.encoder import Encoder
from app.retrieval.reranker import CANDIDATES, Reranker
from trainer import model
from trainer.data import order, training_set
from trainer.evaluation.corpus import Corpus
from trainer.exporting import crossencoder, reranker
from trainer.exporting.crossencoder import CrossEncoder
from trainer.exporting.reranker import Candidates, figures
from trainer.recipes import Recipe
from trainer.runs import Run

RESULTS = Path(__file__).parent / "results"
TIMED = 200  # questions


@dataclass(frozen=True)
class Trained:
    """A cross-encoder and how long it took, mining and loading included."""

    made: CrossEncoder
    seconds: float


def main() -> None:
    """Train unless it is done, export, measure, write the results."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0] if __doc__ else None)
    parser.add_argument("--work", type=Path, default=Path("/tmp/faqtual-bench"))
    parser.add_argument("--questions", type=int, default=crossencoder.MOST_LISTS, help="to train on, at most")
    parser.add_argument("--heldout", type=int, default=reranker.QUESTIONS, help="to fit the weight on, at most")
    parser.add_argument("--measured", type=int, default=1593, help="validation questions, at most")
    options = parser.parse_args()
    logging.basicConfig(format="%(message)s")
    logging.getLogger("trainer").setLevel(logging.INFO)
    base = Bundle.load(options.work / "run" / "bundle")
    entries = read_entries(options.work / "train.jsonl").entries
    training = training_set(entries)
    if training.sha256 != base.manifest.training_data_sha256:
        raise SystemExit("The run was trained on another split; run benchmarks.cloud_faq again.")
    answers = {entry.answer for entry in entries}
    trained = train(options.work, options.questions)
    target = options.work / "reranked"
    shutil.rmtree(target, ignore_errors=True)
    shutil.copytree(base.directory, target)
    started = time.perf_counter()
    unsealed = Bundle(target, base.manifest, base.ranking)
    with mock.patch.object(reranker, "QUESTIONS", options.heldout):
        added = reranker.add(trained.made, unsealed, entries, training.heldout, Encoder(base))
    report: dict[str, Any] = {
        "questions": min(options.questions, sum(pair.positive in answers for pair in training.pairs)),
        "train_seconds": round(trained.seconds, 1),
        "export_seconds": round(time.perf_counter() - started, 1),
    }
    if added is not None:
        report |= {"settings": added.settings.model_dump(), "weight": added.weight, "checks": added.checks}
        bundle = sealed(unsealed, added)
        report |= {"heldout": added.metrics, "megabytes": round((target / "reranker.onnx").stat().st_size / 2**20, 1)}
        report |= measured(bundle, options.work, added.weight, options.measured)
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "reranker.json").write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
    (RESULTS / "reranker.md").write_text(page(report), encoding="utf-8")
    print(page(report))


def train(work: Path, questions: int) -> Trained:
    """The cross-encoder of the run, trained on so many questions unless its weights are there already."""
    seconds = work / "reranker-run" / "seconds"
    run = Run(work / "reranker-run") if seconds.is_file() else Run.create({}, work / "reranker-run")
    entries = read_entries(work / "train.jsonl").entries
    bi_encoder = model.load(str(work / "run" / "model"))
    started = time.perf_counter()
    with mock.patch.object(crossencoder, "MOST_LISTS", questions):
        made = crossencoder.fitted(
            run, bi_encoder, model.DEFAULT_BASE, entries, training_set(entries), Recipe("default")
        )
    if made is None:
        raise SystemExit("There was nothing to train on.")
    if not seconds.is_file():
        seconds.write_text(str(time.perf_counter() - started), encoding="utf-8")
    return Trained(made, float(seconds.read_text(encoding="utf-8")))


def sealed(bundle: Bundle, added: reranker.Added) -> Bundle:
    """The bundle with its reranker in the manifest and the weight in its ranking."""
    ranking = bundle.ranking.model_copy(update={"reranker_weight": added.weight})
    (bundle.directory / RANKING).write_text(ranking.model_dump_json(exclude_none=True), encoding="utf-8")
    kept = bundle.manifest.model_dump(exclude={"encoding", "reranker", "files", "revision", "schema_version"})
    seal(bundle.directory, encoding=bundle.manifest.encoding, reranker=added.settings, **kept)
    return Bundle.load(bundle.directory)


def measured(bundle: Bundle, work: Path, weight: float, count: int) -> dict[str, Any]:
    """P@1 and MRR of the validation questions among all answers, and milliseconds a question for 20 candidates."""
    encoder, cross = Encoder(bundle), Reranker.of(bundle)
    corpus = Corpus(read_entries(work / "all_answers.jsonl").entries, encoder)
    queries = sorted(read_queries(work / "queries.jsonl"), key=lambda query: order(query.question, 0))[:count]
    found = best_of(corpus, queries, encoder, bundle.ranking.question_weight)
    started = time.perf_counter()
    scores = found.scored(cross)
    seconds = time.perf_counter() - started
    alone = 1000 * scores  # so much that the bi-encoder's scores do not count
    return {
        "validation_questions": len(found.questions),
        "systems": {
            "bi-encoder": figures(found, 0 * scores),
            "bi-encoder + reranker": figures(found, weight * scores),
            "reranker alone": figures(found, alone),
        },
        "by_weight": {str(one): figures(found, one * scores) for one in reranker.WEIGHTS},
        "gain_p_value": sign_flips(found, weight * scores),
        "recall@20": float(found.right.any(axis=1).mean()),
        "ms_mean": round(1000 * seconds / len(found.questions), 1),
        **timed(found, cross, encoder),
    }


def best_of(corpus: Corpus, queries: list[Query], encoder: Encoder, question_weight: float) -> Candidates:
    """The best 20 answers of each question; the same questions and places as `trainer evaluate`."""
    texts = [query.question for query in queries]
    position = {entry.answer: i for i, entry in enumerate(corpus.entries)}
    own = np.array([position[query.answer or ""] for query in queries])
    blocks = [part.scores(question_weight) for _, part in corpus.blocks(encoder.questions(texts), texts)]
    scores = np.concatenate(blocks)
    relevant = corpus.answer_ids[None, :] == corpus.answer_ids[own][:, None]
    top = np.argsort(-scores, axis=1, kind="stable")[:, :CANDIDATES]
    place = (scores > np.where(relevant, scores, -np.inf).max(axis=1, keepdims=True)).sum(axis=1) + 1.0
    best = np.take_along_axis(scores, top, axis=1).astype(np.float64)
    answers = [[corpus.entries[i].answer for i in row] for row in top]
    return Candidates(texts, answers, best, np.take_along_axis(relevant, top, axis=1), place)


def sign_flips(found: Candidates, added: np.ndarray[Any, Any], samples: int = 10_000) -> dict[str, float]:
    """How often chance alone would change P@1 and MRR by as much: a paired permutation test, two-sided."""
    now, before, draws = found.places(added), found.places(0 * added), np.random.default_rng(0)
    values = {}
    for name, gain in {"precision@1": (now == 1) * 1.0 - (before == 1), "mrr": 1 / now - 1 / before}.items():
        signs = draws.choice([-1.0, 1.0], size=(samples, len(gain)))
        values[name] = float((1 + (np.abs(signs @ gain) >= abs(gain.sum())).sum()) / (1 + samples))
    return values


def timed(found: Candidates, cross: Reranker, encoder: Encoder) -> dict[str, float]:
    """Milliseconds a question, the median: encoding it, and scoring its 20 candidates."""
    pairs = list(zip(found.questions, found.texts, strict=True))[:TIMED]
    took: dict[str, list[float]] = {"ms_rerank_20_p50": [], "ms_encode_p50": []}
    for question, texts in pairs:
        started = time.perf_counter()
        cross.scores(question, texts)
        middle = time.perf_counter()
        encoder.questions([question])
        took["ms_rerank_20_p50"].append(middle - started)
        took["ms_encode_p50"].append(time.perf_counter() - middle)
    return {name: round(1000 * float(np.median(values)), 2) for name, values in took.items()}


def page(report: dict[str, Any]) -> str:
    """The report as a page of Markdown."""
    head = (
        f"# Reranker, cloud FAQ\n\n{report['questions']:,} questions to train on, in {report['train_seconds']:.0f} s."
    )
    if "systems" not in report:
        return f"{head} It does not help on held-out questions, and is left out.\n"
    lines = [
        f"{head} {report['validation_questions']:,} questions to validate, all answers; weight {report['weight']}, "
        f"{report['settings']['precision']}, {report['megabytes']} MB. Scoring 20 candidates takes "
        f"{report['ms_rerank_20_p50']:.0f} ms (encoding the question {report['ms_encode_p50']:.1f} ms).",
        "",
        "| | P@1 | MRR |",
        "|---|---|---|",
        *(f"| {name} | {one['precision@1']:.3f} | {one['mrr']:.3f} |" for name, one in report["systems"].items()),
        "",
        "Paired p of the gain: " + ", ".join(f"{name} {p:.4f}" for name, p in report["gain_p_value"].items()) + ".",
    ]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
