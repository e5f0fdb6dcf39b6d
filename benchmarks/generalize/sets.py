"""The FAQs that choices are judged on, their families, and their poor and small variants."""

import json
import random
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from app.knowledge.entry import Entry
from app.knowledge.files import read_entries
from app.knowledge.queries import Query, read_queries
from benchmarks.cloud_faq import SEED, Row, passages, split
from benchmarks.places import SHARED
from trainer.data.training_set import order

OWN = Path(__file__).resolve().parents[2] / "data"
BANK = OWN / "out_of_scope.jsonl"
MOST_QUESTIONS = 1500  # of a set; the same ones every time
SMALL = 40  # entries
SQUAD = 150  # passages with a question each
FOLDS = "folds"  # the variant that is judged once, and from which nothing is chosen; its seeds number its folds
FOLD_COUNT = 5
FAMILIES = {
    "sample": "sample",
    "covid_faq": "covid",
    "banking50": "intents",
    "clinc_banking": "intents",
    "clinc150": "intents",
    "hint3_sofmattress": "hint3",
    "cloud": "cloud",
    "squad": "squad",
}
ROWS = [
    *(("sample", variant) for variant in ("full", "poor", "small")),
    *(("covid_faq", variant) for variant in ("full", "small")),
    *(("banking50", variant) for variant in ("full", "poor")),
    *(("clinc_banking", variant) for variant in ("full", "poor")),
    *(("clinc150", variant) for variant in ("full", "poor", "small")),
    *(("hint3_sofmattress", variant) for variant in ("full", "poor")),
    *(("cloud", variant) for variant in ("full", FOLDS)),
    *(("squad", variant) for variant in ("full", "small")),
]


@dataclass(frozen=True)
class Faq:
    """What is trained on, what is served, and what is asked. `queries` name entries of `served` by id."""

    name: str
    variant: str
    trained: list[Entry]
    served: list[Entry]
    queries: list[Query]

    @property
    def family(self) -> str:
        """Sets that share texts."""
        return FAMILIES[self.name]


def faq(name: str, variant: str, seed: int) -> Faq:
    """One row of the table; `seed` chooses the entries of a small one, and the fold of one in folds."""
    if name == "cloud":
        return _cloud(variant, seed)
    entries, queries = _squad() if name == "squad" else _read(name)
    if variant == "poor":
        entries = [entry.model_copy(update={"alternatives": ()}) for entry in entries]
    if variant == "small":
        entries = sorted(entries, key=lambda entry: order(entry.id, seed))[:SMALL]
        queries = _kept(queries, {entry.id for entry in entries}, seed)
    return Faq(name, variant, entries, entries, _sampled(queries, MOST_QUESTIONS, 0))


def bank() -> tuple[list[str], list[str]]:
    """The out-of-scope questions, and the kind of each."""
    rows = [json.loads(line) for line in BANK.read_text(encoding="utf-8").splitlines()]
    return [row["question"] for row in rows], [row["kind"] for row in rows]


def _read(name: str) -> tuple[list[Entry], list[Query]]:
    if name == "sample":
        queries = read_queries(OWN / "questions.jsonl") + read_queries(OWN / "unanswerable.jsonl")
        return read_entries(OWN / "faq.jsonl").entries, queries
    file = "clinc150_val_queries" if name == "clinc150" else f"{name}_queries"
    return read_entries(SHARED / f"{name}.jsonl").entries, read_queries(SHARED / f"{file}.jsonl")


def _cloud(variant: str, seed: int) -> Faq:
    """A part of the questions is asked, the others are trained on, and all answers are served as passages."""
    rows = [json.loads(line) for line in (SHARED / "cloud_faq_train.jsonl").read_text(encoding="utf-8").splitlines()]
    train, asked = fold(rows, seed) if variant == FOLDS else split(rows)
    known = passages(rows)
    served, ids = [Entry(**row) for row in known], {row["answer"]: row["id"] for row in known}
    trained = [Entry(question=row["question"], answer=row["answer"]) for row in train]
    queries = [Query(row["question"], ids[row["answer"]]) for row in asked]
    return Faq("cloud", variant, list({entry.id: entry for entry in trained}.values()), served, queries)


def fold(rows: Sequence[Row], number: int) -> tuple[list[Row], list[Row]]:
    """What is trained on and what is asked in one of the folds, which share out every source evenly."""
    sources: dict[str, list[Row]] = defaultdict(list)
    for row in rows:
        sources[row["source"]].append(row)
    train: list[Row] = []
    asked: list[Row] = []
    for name in sorted(sources):
        random.Random(f"{SEED}/folds/{name}").shuffle(sources[name])
        for i, row in enumerate(sources[name]):
            (asked if i % FOLD_COUNT == number else train).append(row)
    return train, asked


def _squad() -> tuple[list[Entry], list[Query]]:
    """Passages with their first question each; the others are asked, and as many that other passages answer."""
    rows = [json.loads(line) for line in (SHARED / "squad_questions.jsonl").read_text(encoding="utf-8").splitlines()]
    asked: dict[str, list[str]] = {}
    for row in rows:
        asked.setdefault(row["faq_id"], []).append(row["question"])
    texts = [json.loads(line) for line in (SHARED / "squad_passages.jsonl").read_text(encoding="utf-8").splitlines()]
    answers = {row["id"]: row["answer"] for row in texts}
    names = sorted((name for name in asked if name in answers), key=lambda name: order(name, 0))
    known, unknown = names[:SQUAD], names[SQUAD : 2 * SQUAD]
    entries = [Entry(id=name, question=asked[name][0], answer=answers[name]) for name in known]
    queries = [Query(text, name) for name in known for text in asked[name][1:5]]
    return entries, queries + [Query(asked[name][0]) for name in unknown]


def _kept(queries: Sequence[Query], ids: set[str], seed: int) -> list[Query]:
    """The questions of those entries, and as large a share of unanswerable ones as there was."""
    unanswerable = [query for query in queries if query.unanswerable]
    answerable = [query for query in queries if query.faq_id in ids]
    share = len(unanswerable) / max(1, len(queries) - len(unanswerable))
    return answerable + _sampled(unanswerable, round(share * len(answerable)), seed)


def _sampled(queries: Sequence[Query], count: int, seed: int) -> list[Query]:
    chosen = sorted(range(len(queries)), key=lambda i: order(queries[i].question, seed))[:count]
    return [queries[i] for i in sorted(chosen)]
