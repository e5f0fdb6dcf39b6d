"""The history of runs, and which releases are blocked."""

import pytest

from app.golden import runs as module
from app.golden.judging import Judged, Missed
from app.golden.runs import Runs
from app.knowledge.store import Store

MISSED = Missed("q", "a", "a", "b", "answered", 0.8, "")
BROKEN = Judged(4, 4, 3, [MISSED], [MISSED._replace(reason="archived")], 1, [MISSED])
FINE = Judged(4, 2, 4, [], [], 0, [])


def test_a_release_is_blocked_by_its_latest_decision_until_it_is_overridden(store: Store) -> None:
    runs = Runs(store.database)
    runs.record("r1", None, FINE, "passed", 5)
    run = runs.record("r2", "r1", BROKEN, "blocked", 7)
    runs.record("r2", "r1", FINE, "measured", 7)
    runs.record("r3", "r1", BROKEN, "blocked", 7)
    assert runs.blocked() == ["r3", "r2"]
    assert runs.of_gate(["r1", "r2", "r4"])["r2"] == run
    assert (run.broken, run.broken_questions) == (1, [MISSED.document()])
    assert run.waived_questions[0]["reason"] == "archived"
    runs.override("r2", "ann")
    assert (runs.of_gate(["r2"])["r2"].outcome, runs.of_gate(["r2"])["r2"].overridden_by) == ("overridden", "ann")
    runs.record("r3", "r1", FINE, "passed", 7)
    assert runs.blocked() == []


def test_pages_of_runs_are_newest_first_and_the_oldest_are_forgotten(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    runs = Runs(store.database)
    made = [runs.record(f"r{i % 2}", None, FINE, "passed", i).id for i in range(5)]
    first = runs.page(3)
    assert [run.id for run in first.runs] == made[:1:-1]
    assert (first.total, first.next_before) == (5, made[2])
    assert [run.id for run in runs.page(3, first.next_before).runs] == made[1::-1]
    assert runs.page(3, release="r1").total == 2
    monkeypatch.setattr(module, "KEPT", 2)
    runs.record("r9", None, FINE, "passed", 0)
    assert [run.release for run in runs.page().runs] == ["r9", "r0"]
