import io
import os
import subprocess
import sys
from pathlib import Path

import pytest
from rich.console import Console

from app.errors import Conflict, InputError, NotFound
from trainer.reports import watch
from trainer.runs import STATUS, Run, all_runs, duration


@pytest.fixture
def run(tmp_path: Path) -> Run:
    return Run.create({"data": "faq.jsonl"}, tmp_path / "run")


def test_a_run_keeps_its_configuration_and_its_progress(run: Run) -> None:
    run.update(phase="training", step=3, steps=10)
    status = Run.find(str(run.directory)).status()
    assert (status.state, status.phase, status.step, status.pid) == ("running", "training", 3, os.getpid())
    assert run.config == {"data": "faq.jsonl"}


def test_a_directory_in_use_is_refused(run: Run) -> None:
    with pytest.raises(Conflict, match="--resume"):
        Run.create({}, run.directory)


def test_a_run_whose_process_is_gone_is_killed(run: Run) -> None:
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    run.update(pid=process.pid)
    assert run.status().state == "killed"
    assert "gone" in (run.status().reason or "")


def test_a_process_that_reuses_the_pid_is_not_the_run(run: Run) -> None:
    run.update(pid=1, started="never")
    assert run.status().state == "killed"


def test_a_run_of_another_live_process_cannot_be_started(run: Run) -> None:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as process:
        run.update(pid=process.pid, started=None)
        with pytest.raises(Conflict, match=str(process.pid)):
            run.begin()
        process.communicate(b"\n")


def test_unknown_runs_and_unreadable_statuses_are_errors(run: Run) -> None:
    with pytest.raises(NotFound, match="nowhere"):
        Run.find("nowhere")
    (run.directory / STATUS).write_text("{", encoding="utf-8")
    with pytest.raises(InputError, match="cannot be read"):
        run.status()


def test_runs_are_listed(run: Run) -> None:
    assert all_runs(run.directory.parent) == [run]


def test_the_log_is_followed_until_the_run_ends(run: Run) -> None:
    (run.directory / "log").write_text("one\ntwo\n", encoding="utf-8")
    run.update(state="succeeded")
    assert list(run.follow(keep_on=True)) == ["one\n", "two\n"]


def test_a_log_that_is_being_written_is_followed_by_whole_lines(run: Run) -> None:
    log = run.directory / "log"
    log.write_text("one\ntw", encoding="utf-8")
    lines = run.follow(keep_on=True)
    assert [next(lines), next(lines)] == ["one\n", ""]
    with log.open("a", encoding="utf-8") as file:
        file.write("o\nthree")
    run.update(state="succeeded")
    assert list(lines) == ["two\n", "three\n"]


def test_a_log_can_be_followed_before_it_exists(run: Run) -> None:
    lines = run.follow(keep_on=True)
    assert next(lines) == ""
    (run.directory / "log").write_text("one\n", encoding="utf-8")
    run.update(state="failed")
    assert list(lines) == ["one\n"]


def test_the_time_left_follows_from_the_pace_of_the_phase(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    now = 1000.0
    monkeypatch.setattr("trainer.runs.time.time", lambda: now)
    run.update(steps=110)
    run.update(phase="training, stage 1", step=10)  # resumed at step 10
    assert run.status().eta_seconds is None
    now += 20
    run.update(step=20)
    assert run.status().eta_seconds == 180
    run.update(phase="exporting")
    assert run.status().eta_seconds is None


def test_an_ended_run_has_no_time_left(run: Run) -> None:
    run.update(phase="training", steps=10)
    run.update(step=5)
    run.update(state="interrupted", reason="enough")
    assert run.status().eta_seconds is None


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0 s"), (59.6, "1 min 0 s"), (75, "1 min 15 s"), (3600, "1 h 0 min"), (90061, "1 d 1 h"), (-3, "0 s")],
)
def test_a_duration_has_two_units_at_most(seconds: float, text: str) -> None:
    assert duration(seconds) == text


def followed(run: Run, with_log: bool, terminal: bool) -> str:
    console = Console(file=io.StringIO(), force_terminal=terminal, width=200, color_system=None)
    watch.follow(run, console, with_log)
    return str(console.file.getvalue())  # type: ignore[attr-defined]  # the StringIO from above


@pytest.mark.parametrize("terminal", [True, False])
def test_the_display_of_a_killed_run_says_how_to_resume(run: Run, terminal: bool) -> None:
    (run.directory / "log").write_text("one\n", encoding="utf-8")
    run.update(phase="training", step=7, steps=10, pid=1, started="never")
    output = followed(run, True, terminal)
    assert "one\n" in output
    if terminal:
        assert "killed: training, step 7 of 10" in output
        assert f"fit --resume {run.directory}" in output
    assert "killed" in followed(run, False, terminal)


def test_the_display_of_a_run_says_how_long_it_takes(run: Run) -> None:
    run.update(phase="training", step=7, steps=10, epoch=1.5)
    status = run.status().model_copy(update={"eta_seconds": 75})
    output = watch.line(run, status).plain
    assert output == "run running: training, step 7 of 10, epoch 1.5, 1 min 15 s left"


def test_a_run_that_cannot_be_read_does_not_hide_the_others(run: Run) -> None:
    other = Run.create({}, run.directory.parent / "other")
    (other.directory / STATUS).write_text("{", encoding="utf-8")
    console = Console(file=io.StringIO(), width=200, color_system=None)
    console.print(watch.table(all_runs(run.directory.parent)))
    output = str(console.file.getvalue())  # type: ignore[attr-defined]  # the StringIO from above
    assert "unreadable" in output
    assert "running" in output
