"""A finished run, written by hand: everything that a report is drawn from, and no model."""

import json
from pathlib import Path

from app.encoding.bundle import Encoding, Manifest
from trainer.reports.results import RESULTS, Asked, Counts, Place, Results, Shown, System
from trainer.runs import BUNDLE, METRICS, Run

CHECKS = {
    "fp32": {"parity": 1.0, "parity_least": 1.0, "batch_independence": 1.0},
    "int8": {"parity": 0.9991, "parity_least": 0.9973, "batch_independence": 1.0, "mrr_cost": 0.0003, "passed": True},
}


def place(rank: int | None, found: str = "right", confidence: float = 0.9) -> Place:
    """A place, its score following from its confidence."""
    return Place(rank=rank, found=found, score=confidence / 2, confidence=confidence)


def asked(question: str, before: Place | None, after: Place) -> Asked:
    """A question that `right` answers, or nothing, as its places say."""
    return Asked(question=question, faq_id=None if after.rank is None else "right", before=before, after=after)


def results(*questions: Asked, entries: dict[str, Shown] | None = None) -> Results:
    """Results of a FAQ with the entries `right` and `wrong`."""
    trained = all(question.before is not None for question in questions)
    return Results(
        counts=Counts(
            entries=2, phrasings=6, passages=0, pairs=9, trained_entries=2, heldout=len(questions), unanswerable=0
        ),
        note=None if trained else "Too small to train on.",
        before=System(figures={"queries": 4, "mrr": 0.5}, threshold=0.5) if trained else None,
        after=System(figures={"queries": 4, "mrr": 0.75, "ndcg@10": 0.8}, threshold=0.5),
        differences={"mrr": {"mean": 0.25, "low": 0.1, "high": 0.4, "p": 0.0002}} if trained else {},
        questions=questions,
        entries=entries
        or {"right": Shown(question="Right?", answer="Yes."), "wrong": Shown(question="", answer="A passage.")},
    )


def run(directory: Path, measured: Results, curve: int = 4) -> Run:
    """A run of those results, with `curve` epochs of metrics in two stages."""
    run = Run.create({"data": "my faq.jsonl", "queries": None}, directory)
    lines: list[dict[str, object]] = []
    for epoch in range(curve):
        stage, begun = 1 + epoch // 2, epoch % 2
        line = {"step": 10 * begun + 5, "epoch": begun + 0.5, "stage": stage, "loss": 3.0 - epoch / 2}
        lines += [{**line, "learning_rate": 1e-4 / (1 + epoch), "grad_norm": 1.0}]
        lines += [{"step": 10 * begun + 10, "epoch": begun + 1, "stage": stage, "metrics": {"mrr": 0.5 + epoch / 20}}]
    (run.directory / METRICS).write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    (run.directory / RESULTS).write_text(measured.model_dump_json(), encoding="utf-8")
    manifest = Manifest(
        schema_version=1,
        revision="0123456789ab",
        created_at=run.status().created_at,
        base_model="tiny",
        recipe="default" if measured.note is None else "base",
        encoding=Encoding(dimension=32, max_tokens=64, precision="int8"),
        training_data_sha256="f" * 64,
        checks=CHECKS,
        libraries={"numpy": "2"},
        files={},
    )
    run.bundle.mkdir()
    (run.bundle / "manifest.json").write_text(manifest.model_dump_json(), encoding="utf-8")
    (run.directory / BUNDLE / "ranking.json").touch()
    run.update(state="succeeded", phase="done")
    return run
