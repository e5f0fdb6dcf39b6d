"""A real training process that is killed with SIGKILL, reported as killed, and resumed."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from app.encoding.bundle import Bundle
from trainer.reports.results import Results
from trainer.runs import CHECKPOINTS, Run
from trainer.training.steps import CHECKPOINT_EVERY


def command(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "trainer", *arguments]


def environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2]), "CUDA_VISIBLE_DEVICES": ""}


def steps(run: Run) -> list[int]:
    """The steps whose loss was recorded, in the order of recording."""
    path = run.directory / "metrics.jsonl"
    rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines() if line.endswith("}")]
    return [row["step"] for row in rows if "loss" in row]


def wait_for(run: Run, beyond: int, process: "subprocess.Popen[str]") -> None:
    """Until the run has taken that step and written a checkpoint."""
    until = time.monotonic() + 120
    while time.monotonic() < until and process.poll() is None:
        if (run.directory / "status.json").exists():
            checkpoints = list((run.directory / CHECKPOINTS).rglob("checkpoint-*/trainer_state.json"))
            if checkpoints and run.status().step >= beyond:
                return
        time.sleep(0.01)
    pytest.fail(f"the run did not get to step {beyond}: {process.communicate(timeout=1)[1]}")


@pytest.mark.slow
def test_a_killed_run_is_reported_and_loses_at_most_one_checkpoint_interval(
    faq_file: Path, tiny_base: Path, tmp_path: Path
) -> None:
    run = Run(tmp_path / "run")
    begin = command("fit", "--data", str(faq_file), "--base", str(tiny_base), "--out", str(run.directory))
    options = ["--epochs", "8", "--batch-size", "8"]
    with subprocess.Popen([*begin, *options], env=environment(), stderr=subprocess.PIPE, text=True) as process:
        wait_for(run, CHECKPOINT_EVERY + 5, process)
        process.send_signal(signal.SIGKILL)

    status = run.status()
    assert status.state == "killed"
    assert str(status.pid) in (status.reason or "")
    assert status.step < status.steps
    listed = subprocess.run(command("runs", "status", str(run.directory)), env=environment(), capture_output=True)
    assert json.loads(listed.stdout)["state"] == "killed"
    before = steps(run)

    resumed = subprocess.run(
        command("fit", "--resume", str(run.directory)), env=environment(), capture_output=True, text=True
    )
    assert resumed.returncode == 0, resumed.stderr
    assert resumed.stdout.splitlines()[-1] == str(run.directory)
    assert run.status().state == "succeeded"
    first = steps(run)[len(before)]
    assert status.step - CHECKPOINT_EVERY < first <= status.step + CHECKPOINT_EVERY
    assert Bundle.load(run.bundle).manifest.recipe == "default"
    assert Results.read(run.directory).before is not None
    assert (run.directory / "report.html").is_file()
