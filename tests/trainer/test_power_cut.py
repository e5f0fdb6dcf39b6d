"""A power cut during a training: the run resumes from the state of the disk, and ends with the same bundle."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from app.encoding.bundle import Bundle
from tests.faults.power import ROOT, Recording, recorded
from trainer.runs import BUNDLE, Run
from trainer.training.callbacks import COMPLETE

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(shutil.which("cc") is None, reason="the recorder takes a C compiler"),
]
POINTS = int(os.environ.get("FAQ_TEST_CUTS", "2"))


def cuts(recording: Recording) -> list[int]:
    """Moments between the first checkpoint and the end, including both."""
    first = next(
        i for i, moment in enumerate(recording.moments) if any(Path(name).name == COMPLETE for name in moment.names)
    )
    last = len(recording.moments) - 1
    return sorted({first + (last - first) * point // (POINTS - 1) for point in range(POINTS)})


def test_a_training_resumes_after_a_power_cut(faq_file: Path, tiny_base: Path, tmp_path: Path) -> None:
    runs = tmp_path / "runs"
    runs.mkdir()
    options = ["--data", str(faq_file), "--base", str(tiny_base)]
    options += ["--recipe", "quick", "--epochs", "8", "--batch-size", "8"]
    environment = {"CUDA_VISIBLE_DEVICES": "", "OMP_NUM_THREADS": "1"}
    recording = recorded(runs, ["trainer", "fit", *options, "--out", str(runs / "run")], environment, tmp_path / "work")
    whole = Bundle.load(runs / "run" / BUNDLE)
    for moment in cuts(recording):
        shutil.rmtree(runs)
        recording.restore(moment, runs)
        resume = [sys.executable, "-m", "trainer", "fit", "--resume", str(runs / "run")]
        ended = subprocess.run(
            resume, env={**os.environ, **environment, "PYTHONPATH": str(ROOT)}, capture_output=True, text=True
        )
        assert ended.returncode == 0, f"after {recording.moments[moment].operation} {moment}: {ended.stderr}"
        assert Run(runs / "run").status().state == "succeeded"
        assert Bundle.load(runs / "run" / BUNDLE).revision == whole.revision
