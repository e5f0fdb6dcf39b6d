"""What a serving process sets up before it serves."""

import os
import subprocess
import sys

PREPARED = """
from threadpoolctl import threadpool_info
from app.serving.server import prepare
from app.settings import Settings
import numpy
prepare(Settings())
print([library["num_threads"] for library in threadpool_info()])
"""


def test_numpy_multiplies_in_the_thread_that_asks() -> None:
    """Threads of its own would wait busily between the products of two questions."""
    environment = {**os.environ, "OPENBLAS_NUM_THREADS": "2", "OMP_NUM_THREADS": "2"}
    ran = subprocess.run([sys.executable, "-c", PREPARED], env=environment, check=True, capture_output=True, text=True)
    assert ran.stdout == "[1]\n"
