"""Minutes of load, with a release exchanged and a file imported in between: memory, threads and files stay as they are.

FAQ_TEST_SOAK_S says how long; `make soak` takes ten minutes.
"""

import os
import time
from pathlib import Path
from statistics import median

import pytest

from app.encoding.bundle import Bundle
from app.settings import Settings
from tests.conftest import FAQ, fill, publish_home
from tests.faults.service import Service, asking, service

SECONDS = float(os.environ.get("FAQ_TEST_SOAK_S", "600"))
EXCHANGE_S = 10.0


def files(running: Service) -> int:
    return len(list(Path(f"/proc/{running.process.pid}/fd").iterdir()))


def threads(running: Service) -> int:
    return len(list(Path(f"/proc/{running.process.pid}/task").iterdir()))


@pytest.mark.soak
def test_memory_threads_and_files_do_not_grow(published: Settings, bundle: Bundle, other_bundle: Bundle) -> None:
    fill(published, [FAQ[0].model_copy(update={"answer": "Within six days."}), *FAQ[1:]])
    names = [publish_home(published, bundle), publish_home(published, other_bundle)]
    memory: list[float] = []
    open_files: list[int] = []
    with service(published) as running:
        with asking(running, threads=2) as replies:
            started = time.monotonic()
            while time.monotonic() - started < SECONDS:
                name = names[len(memory) % 2]
                assert running.client.post(f"/v1/admin/releases/{name}/activate").status_code == 200
                rows = f'{{"id": "soak", "answer": "Round {len(memory)}."}}'
                kind = {"Content-Type": "application/jsonl"}
                assert running.client.post("/v1/admin/entries/import", content=rows, headers=kind).status_code == 200
                time.sleep(min(EXCHANGE_S, SECONDS / 20))
                memory.append(running.memory_mb())
                open_files.append(files(running))
            busy = threads(running)
        assert {status for status, _ in replies} == {200}
        assert running.terminate() == 0
    quarter = len(memory) // 4
    early, late = median(memory[quarter : 2 * quarter]), median(memory[-quarter:])
    print(f"{len(replies)} questions, {len(memory)} exchanges: {early:.1f} MB, then {late:.1f} MB; {busy} threads")  # noqa: T201
    assert late - early < 0.05 * early
    assert max(open_files[-quarter:]) <= max(open_files[quarter : 2 * quarter]) + 4
