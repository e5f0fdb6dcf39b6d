"""What importing the service must not load or do, checked in a new process."""

import os
import subprocess
import sys
from pathlib import Path

from app.cli.commands import COMMANDS

LOADED = "import sys, app.main, app.__main__, " + ", ".join(
    f"app.cli.{command.module}" for command in COMMANDS.values()
)
FORBIDDEN = ("torch", "transformers", "sentence_transformers", "trainer", "datasets", "sklearn", "scipy", "pandas")


def test_the_service_loads_neither_torch_nor_the_trainer() -> None:
    code = f"{LOADED}; print([name for name in {FORBIDDEN} if name in sys.modules])"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"


def test_the_embedded_index_loads_neither_the_qdrant_client_nor_grpc() -> None:
    code = f"{LOADED}; print([name for name in ('qdrant_client', 'grpc') if name in sys.modules])"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"


def test_importing_has_no_side_effects(tmp_path: Path) -> None:
    code = "import app.main, os; print(sorted(os.listdir('.')))"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=tmp_path)
    assert (result.stdout.strip(), result.stderr) == ("[]", "")


def test_onnx_runtime_reports_nothing_to_its_maker(tmp_path: Path) -> None:
    """Where it does, it keeps the id of a session in a file of the temporary directory, from its import on."""
    environment = {name: value for name, value in os.environ.items() if name != "ORT_DISABLE_TELEMETRY"}
    environment |= {"TMPDIR": str(tmp_path), "HOME": str(tmp_path)}
    subprocess.run([sys.executable, "-c", "import app.encoding.encoder"], env=environment, check=True)
    assert list(tmp_path.iterdir()) == []


def test_what_worker_processes_are_forked_from_has_one_thread() -> None:
    code = "import app.serving.preload, os; print(len(os.listdir('/proc/self/task')))"
    alone = {**os.environ, "OPENBLAS_NUM_THREADS": "1"}
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=alone)
    assert result.stdout.strip() == "1"
