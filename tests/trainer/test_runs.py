import os
import subprocess
import sys
from pathlib import Path

import pytest

from app.errors import Conflict, InputError, NotFound
from trainer.runs import STATUS, Run, all_runs


@pytest.fixture
def run(tmp_path: Path) -> Run:
    return Run.create({"data": "faq.jsonl"}, tmp_path / "run")


def test_a_run_says_what_was_asked_and_how_far_it_is(run: Run) -> None:
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


def test_a_pid_that_was_used_again_is_not_the_run(run: Run) -> None:
    run.update(pid=1, started="never")
    assert run.status().state == "killed"


def test_a_run_that_another_process_works_on_is_left_alone(run: Run) -> None:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as process:
        run.update(pid=process.pid, started=None)
        with pytest.raises(Conflict, match=str(process.pid)):
            run.begin()
        process.communicate(b"\n")


def test_unknown_and_broken_runs(run: Run) -> None:
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
