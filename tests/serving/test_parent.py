"""The parent of worker processes: what happens to them when it cannot start, or is killed."""

import os
import signal
import subprocess
import sys

from app.settings import Settings
from tests.serving.conftest import ROOT, WORKERS, started, stopped
from tests.waiting import PATIENCE_S


def test_worker_processes_end_when_their_parent_is_killed(published: Settings) -> None:
    service = started(published.model_copy(update={"workers": WORKERS}))
    assert stopped(service, signal.SIGKILL) == -signal.SIGKILL


def test_a_service_whose_workers_cannot_start_says_why_and_ends(published: Settings) -> None:
    broken = published.model_copy(update={"workers": WORKERS, "page_logo": published.home / "none.svg"})
    environment = {**os.environ, **broken.environment(), "PYTHONPATH": str(ROOT)}
    ran = subprocess.run(
        [sys.executable, "-m", "app"], env=environment, capture_output=True, text=True, timeout=PATIENCE_S, check=False
    )
    assert ran.returncode == 2, ran.stderr
    assert "error: FAQ_PAGE_LOGO" in ran.stderr
    assert "Traceback" not in ran.stderr
