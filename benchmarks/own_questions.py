"""Every question of a FAQ asked word for word, questions about identifiers, and what the lookup costs.

    python -m benchmarks.own_questions --bundle DIR [--files DIR] [--entries 100000]

DIR of the bundle is best that of a base model (`python -m trainer fit --data FILE --epochs 0`). For each file
of `tests/data/faults` a release is published, and every phrasing is asked of it: its own entry must be `first`, or
`among` the answers of an `ambiguous` reply. `codes_queries`: a question with an answer is right where that is first or
among the ambiguous, one without where the status is `no_answer`. The lookup is measured on synthetic entries of six
phrasings and one identifier each. Writes benchmarks/results/own_questions.json.
"""

import argparse
import asyncio
import json
import logging
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from app.answering import Answerer
from app.encoding.bundle import Bundle
from app.knowledge.entry import RESERVED, Entry
from app.releases.catalog import Catalog
from app.releases.publishing import publish
from app.replies import Reply
from app.settings import Settings
from benchmarks.lookup import cost
from benchmarks.places import RESULTS

FAULTS = Path(__file__).parents[1] / "tests" / "data" / "faults"
QUERIES = "codes_queries"


def main() -> None:
    """Publish each file, ask it, measure the lookup, write the report."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0] if __doc__ else None)
    parser.add_argument("--bundle", type=Path, required=True)
    parser.add_argument("--files", type=Path, default=FAULTS)
    parser.add_argument("--entries", type=int, default=100_000)
    options = parser.parse_args()
    logging.basicConfig(level=logging.WARNING)
    files = {path.stem: rows_of(path) for path in sorted(options.files.glob("*.jsonl"))}
    report = {**asyncio.run(measured(Bundle.load(options.bundle), files)), "lookup": cost(options.entries)}
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "own_questions.json").write_text(json.dumps(report, indent=2, ensure_ascii=False) + "\n", "utf-8")
    print(json.dumps(report, indent=2, ensure_ascii=False))


async def measured(bundle: Bundle, files: Mapping[str, list[dict[str, Any]]]) -> dict[str, Any]:
    """The own questions of every file, and the questions about codes."""
    report: dict[str, Any] = {}
    for name in sorted(files.keys() - {QUERIES}):
        entries = [entry_of(row) for row in files[name]]
        with tempfile.TemporaryDirectory() as home:
            catalog = Catalog(Settings(home=Path(home)))
            answerer = await catalog.open(await publish(catalog, bundle, entries))
            report[name] = await own_questions(answerer, entries)
            if name == "codes":
                report[QUERIES] = await queries(answerer, files[QUERIES])
            await answerer.close()
            await catalog.close()
    return report


async def own_questions(answerer: Answerer, entries: list[Entry]) -> dict[str, Any]:
    """How many phrasings find their entry first, or among the ambiguous; and those that do not."""
    asked = [(phrasing, entry.id) for entry in entries for phrasing in entry.phrasings]
    report: dict[str, Any] = {"asked": len(asked), "first": 0, "among": 0, "missed": []}
    for question, own in asked:
        (reply,) = await answerer.ask([question])
        if reply.status == "answered" and ids_of(reply)[0] == own:
            report["first"] += 1
        elif reply.status == "ambiguous" and own in ids_of(reply):
            report["among"] += 1
        else:
            report["missed"].append([question, own, reply.status, ids_of(reply)])
    return report


async def queries(answerer: Answerer, rows: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """How many questions are replied to rightly, and what becomes of the others."""
    wrong = []
    for row in rows:
        (reply,) = await answerer.ask([row["question"]])
        if not is_right(reply, row["faq_id"]):
            best = [[entry.id, round(entry.confidence, 3)] for entry in reply.answers or reply.suggestions]
            wrong.append([row["question"], row["faq_id"], reply.status, best])
    return {"asked": len(rows), "right": len(rows) - len(wrong), "wrong": wrong}


def is_right(reply: Reply, faq_id: str | None) -> bool:
    """Whether a reply is what was wanted; without an id, no answer was."""
    if faq_id is None:
        return reply.status == "no_answer"
    return (reply.status == "answered" and ids_of(reply)[0] == faq_id) or (
        reply.status == "ambiguous" and faq_id in ids_of(reply)
    )


def ids_of(reply: Reply) -> list[str]:
    """The ids of the answers, best first."""
    return [entry.id for entry in reply.answers]


def rows_of(path: Path) -> list[dict[str, Any]]:
    """The objects of a file of JSON lines."""
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def entry_of(row: dict[str, Any]) -> Entry:
    """The entry that a row describes; other keys are metadata."""
    fields = {key: tuple(value) if isinstance(value, list) else value for key, value in row.items() if key in RESERVED}
    metadata = {key: value for key, value in row.items() if key not in RESERVED}
    return Entry.model_validate({**fields, "metadata": metadata})


if __name__ == "__main__":
    main()
