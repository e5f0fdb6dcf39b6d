"""The services under load: how each is started, and what its processes use."""

import os
import subprocess
import sys
import time
from argparse import Namespace
from collections import Counter, defaultdict
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import httpx2

from app.settings import Settings
from benchmarks.serving.preparing import PORTS, prepared_before

EMBEDDER_PORT = 8109
IDLE_S, SETTLE_S = 0.3, 20.0
TICKS = os.sysconf("SC_CLK_TCK")


@dataclass
class System:
    """A service under load and the processes that it consists of."""

    name: str
    url: str
    processes: list[int]
    asked: Counter[str] = field(default_factory=Counter)  # how many questions of each file it was asked already

    def cpu_s(self) -> dict[str, float]:
        """CPU time so far, by the names of threads."""
        seconds: defaultdict[str, float] = defaultdict(float)
        for process in self.processes:
            for thread in Path(f"/proc/{process}/task").iterdir():
                with suppress(FileNotFoundError, ProcessLookupError):  # it has just ended
                    name, spent = _thread(thread)
                    seconds["event loop" if int(thread.name) == process else name] += spent
        return dict(seconds)

    def settle(self) -> None:
        """Wait until it has answered what the last load left behind: wrk closes its connections, and not every service
        notices. At most `SETTLE_S`."""
        until, spent = time.monotonic() + SETTLE_S, sum(self.cpu_s().values())
        while time.monotonic() < until:
            time.sleep(IDLE_S)
            now = sum(self.cpu_s().values())
            if now - spent < 0.1 * IDLE_S:
                return
            spent = now

    def memory_mb(self) -> tuple[int, int]:
        """Resident memory now: all of it, and what no other process shares."""
        rolled = [_rolled(process) for process in self.processes]
        own = sum(process["Private_Clean"] + process["Private_Dirty"] for process in rolled)
        return sum(process["Rss"] for process in rolled) // 1024, own // 1024


def favour() -> None:
    """A high priority for this process and all that it starts, where that is allowed; and a session of its own,
    as Linux shares the cores among sessions before it looks at priorities."""
    with suppress(OSError):
        os.setsid()
    with suppress(OSError):
        os.setpriority(os.PRIO_PROCESS, 0, -10)
        Path("/proc/self/autogroup").write_text("-7", encoding="ascii")


def services(settings: Settings, options: Namespace) -> Iterator[AbstractContextManager[System]]:
    """The systems to measure, each to be entered. One that is not at hand is left out, and that is said."""
    from app.graphs.packaged import packaged

    plain = ["-m", "benchmarks.plain_service", str(options.data), str(options.work / "plain.npy")]
    plain += ["--model", str(packaged()), "--port"]
    for name in options.systems:
        if name == "faqtual":
            yield running(name, [[sys.executable, "-m", "app"]], "/v1/ask", settings.environment())
        elif name == "before":
            checkout = options.before.resolve()
            environment = prepared_before(options.data, options.work.resolve(), checkout).environment()
            environment |= {"PYTHONPATH": str(checkout)}
            yield running(name, [[sys.executable, "-m", "app"]], "/v1/ask", environment, str(checkout))
        elif name == "plain":
            yield running(name, [[sys.executable, *plain, str(PORTS[name])]], "/ask", {})
        else:
            server = [str(options.infinity / "bin" / "infinity_emb"), "v2", "--model-id", str(packaged())]
            server += ["--engine", "torch", "--device", "cpu", "--no-bettertransformer", "--no-model-warmup"]
            server += ["--port", str(EMBEDDER_PORT)]
            asking = [sys.executable, *plain, str(PORTS[name]), "--embedder", f"http://127.0.0.1:{EMBEDDER_PORT}"]
            yield running(name, [server, asking], "/ask", {"DO_NOT_TRACK": "1", "HF_HUB_OFFLINE": "1"})


@contextmanager
def running(
    name: str, commands: list[list[str]], path: str, environment: dict[str, str], directory: str | None = None
) -> Iterator[System]:
    """The commands as processes, once a question is answered. `directory`: where they run; None: here."""
    inherited = {**os.environ, "OMP_NUM_THREADS": "1"}  # with more, torch's threads block each other from 8 clients on
    processes = []
    try:
        for arguments in commands:
            silent, variables = subprocess.DEVNULL, {**inherited, **environment}
            processes.append(subprocess.Popen(arguments, env=variables, cwd=directory, stdout=silent, stderr=silent))
        url = f"http://127.0.0.1:{PORTS[name]}{path}"
        _until_answering(url, processes)
        yield System(name, url, [process.pid for process in processes])
    finally:
        for process in processes:
            process.terminate()
        for process in processes:
            with suppress(subprocess.TimeoutExpired):
                process.wait(10)
            process.kill()


def _until_answering(url: str, processes: list[subprocess.Popen[bytes]]) -> None:
    deadline = time.monotonic() + 240
    while time.monotonic() < deadline:
        if any(process.poll() is not None for process in processes):
            raise RuntimeError(f"{url} ended before it answered")
        with suppress(httpx2.TransportError):
            if httpx2.post(url, json={"question": "Are you there?"}, trust_env=False, timeout=30).status_code == 200:
                return
        time.sleep(0.2)
    raise RuntimeError(f"{url} does not answer")


def _thread(task: Path) -> tuple[str, float]:
    """The name of a thread, without its number, and its CPU time. `task`: its directory in /proc."""
    head, _, fields = (task / "stat").read_text(encoding="utf-8").rpartition(")")
    user, system = fields.split()[11:13]
    return head.split("(", 1)[1].rstrip("0123456789_-"), (int(user) + int(system)) / TICKS


def _rolled(process: int) -> dict[str, int]:
    """The sums of a process's mappings, in kB."""
    lines = Path(f"/proc/{process}/smaps_rollup").read_text(encoding="ascii").splitlines()[1:]
    return {name: int(value.split()[0]) for name, _, value in (line.partition(":") for line in lines)}
