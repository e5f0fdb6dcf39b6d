"""What the service must never load, in a process of its own."""

import subprocess
import sys
from pathlib import Path

FORBIDDEN = ("torch", "transformers", "sentence_transformers", "trainer", "datasets", "sklearn", "scipy", "pandas")


def test_the_service_loads_neither_torch_nor_the_trainer() -> None:
    code = f"import sys, app.main, app.__main__; print([name for name in {FORBIDDEN} if name in sys.modules])"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"


def test_the_embedded_engine_does_without_the_client() -> None:
    code = "import sys, app.main, app.__main__; print('qdrant_client' in sys.modules)"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "False"


def test_importing_has_no_side_effects(tmp_path: Path) -> None:
    code = "import app.main, os; print(sorted(os.listdir('.')))"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=tmp_path)
    assert (found.stdout.strip(), found.stderr) == ("[]", "")
