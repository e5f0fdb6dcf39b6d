"""The API's documentation in a real browser, which can reach the service and nothing else."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from app.settings import Settings
from tests.faults.service import service

CHROMIUM = shutil.which("chromium")
FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--enable-logging=stderr",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
    "--virtual-time-budget=20000",
    "--dump-dom",
)


@pytest.mark.browser
@pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium; on Debian: apt-get install chromium")
def test_the_documentation_shows_every_operation_and_the_console_stays_empty(
    settings: Settings, tmp_path: Path
) -> None:
    with service(settings, ready=False) as running:
        running.wait(lambda: running.client.get("/livez").status_code == 200)
        command = [str(CHROMIUM), *FLAGS, f"--user-data-dir={tmp_path / 'profile'}", f"{running.url}/docs"]
        shown = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
        document = running.client.get("/openapi.json").json()
    assert len(re.findall(r'class="opblock opblock-\w+"', shown.stdout)) == sum(map(len, document["paths"].values()))
    assert "CONSOLE" not in shown.stderr
