"""Runs: a directory for each execution of the trainer, which other processes can read at any time.

config.json     the options of the run
status.json     its progress (`Status`), replaced atomically
log             its log
metrics.jsonl   its measurements, one a line
checkpoints/    the state that a resumed run starts from; removed at the end
shipped.json    the share of the fine-tuning that is shipped, and why (`trainer.guard`)
model/          the model that is shipped, as sentence-transformers saves it
bundle/         what the service loads
results.json    the held-out questions before and after the training (`trainer.reports.results`)
report.html     the report; README.md: the model card; plots/
"""

import json
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from app import durable
from app.errors import Conflict, InputError, NotFound
from trainer.guard import Shipped

State = Literal["running", "interrupted", "failed", "succeeded", "killed"]
CONFIG, STATUS, LOG, METRICS = "config.json", "status.json", "log", "metrics.jsonl"
CHECKPOINTS, MODEL, BUNDLE, SHIPPED = "checkpoints", "model", "bundle", "shipped.json"
ROOT = Path("runs")
POLL = 0.5  # seconds


class Status(BaseModel):
    """status.json. `phase` is the current work; `reason` says why a run ended without success."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    state: State
    phase: str = ""
    epoch: float = 0
    step: int = 0
    steps: int = 0
    eta_seconds: int | None = None  # until the last step of the training; None if unknown
    pid: int
    started: str | None = None  # start time of the process in the kernel's ticks, because pids are reused
    created_at: str
    updated_at: str
    reason: str | None = None
    paced_from: tuple[float, int] | None = None  # the time (seconds) and the step at which this phase began

    @property
    def resumable(self) -> bool:
        """Whether `fit --resume` can continue the run."""
        return self.state not in ("running", "succeeded")


@dataclass(frozen=True)
class Run:
    """The directory of a run."""

    directory: Path

    @classmethod
    def create(cls, config: dict[str, Any], out: Path | None = None) -> "Run":
        """A new run in `out`, or in ./runs under the current time. Raises Conflict if `out` is not empty."""
        directory = out or ROOT / f"{datetime.now(UTC):%Y%m%d-%H%M%S}-{os.getpid()}"
        if (directory / STATUS).exists() or (directory.is_dir() and any(directory.iterdir())):
            raise Conflict(
                f"{directory} is not empty. Choose another --out, or continue the run with --resume {directory}."
            )
        try:
            directory.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise InputError(f"The run's directory {directory} cannot be created: {error.strerror}", "out") from error
        run = cls(directory)
        durable.write(directory / CONFIG, json.dumps(config, indent=2, ensure_ascii=False) + "\n")
        run.begin()
        return run

    @classmethod
    def find(cls, name: str) -> "Run":
        """The run in that directory, or of that name under ./runs. Raises NotFound."""
        for directory in (Path(name), ROOT / name):
            if (directory / STATUS).is_file():
                return cls(directory)
        raise NotFound(f"There is no run `{name}`. `python -m trainer runs` lists the runs.")

    @property
    def name(self) -> str:
        """Its name in lists."""
        return self.directory.name

    @property
    def bundle(self) -> Path:
        """The directory of its bundle, which exists after the export."""
        return self.directory / BUNDLE

    @property
    def config(self) -> dict[str, Any]:
        """The options of the run. Raises InputError if config.json cannot be read."""
        return _read(self.directory / CONFIG)

    def status(self) -> Status:
        """Its status. A running run without a process is `killed`. Raises InputError if status.json cannot be used."""
        try:
            status = Status.model_validate(_read(self.directory / STATUS))
        except ValidationError as error:
            raise InputError(f"{self.directory / STATUS} cannot be used: {error.errors()[0]['msg']}") from error
        if status.state == "running" and not _alive(status.pid, status.started):
            gone = f"process {status.pid} is gone and left no reason"
            return status.model_copy(update={"state": "killed", "reason": gone})
        return status

    def shipped(self) -> Shipped | None:
        """What the guard decided; None where nothing was trained, or the recipe ships what it trained."""
        path = self.directory / SHIPPED
        return Shipped.of(_read(path)) if path.is_file() else None

    def begin(self) -> None:
        """Mark the run as running in this process. Raises Conflict if another process works on it."""
        now, pid = _now(), os.getpid()
        status = Status(state="running", pid=pid, started=_started(pid), created_at=now, updated_at=now)
        if (self.directory / STATUS).exists():
            before = self.status()
            if before.state == "running" and before.pid != pid:
                raise Conflict(f"{self.directory} is in use by process {before.pid}. Wait until it ends, or stop it.")
            kept = {"created_at": before.created_at, "step": before.step, "steps": before.steps, "epoch": before.epoch}
            status = status.model_copy(update=kept)
        durable.write(self.directory / STATUS, status.model_dump_json(indent=2) + "\n")

    def update(self, **changes: object) -> None:
        """Change fields of the status, and estimate the remaining time from the steps taken."""
        before = self.status()
        status = before.model_copy(update={**changes, "updated_at": _now()})
        if status.phase != before.phase or status.state != "running" or status.paced_from is None:
            pace = (time.time(), status.step) if status.state == "running" else None
            status = status.model_copy(update={"paced_from": pace, "eta_seconds": None})
        elif "step" in changes:
            status = status.model_copy(update={"eta_seconds": _eta(status, time.time())})
        durable.write(self.directory / STATUS, status.model_dump_json(indent=2) + "\n")

    def record(self, **figures: object) -> None:
        """Append a line to metrics.jsonl."""
        with (self.directory / METRICS).open("a", encoding="utf-8") as file:
            file.write(json.dumps({"at": _now(), **figures}, ensure_ascii=False) + "\n")

    def follow(self, keep_on: bool = False) -> Iterator[str]:
        """The lines of the log; with `keep_on` also later ones, until the run ends.

        While it waits it yields an empty string twice a second, so that the caller can update a display.
        """
        path, rest = self.directory / LOG, ""
        while keep_on and not path.exists() and self.status().state == "running":
            yield ""
            time.sleep(POLL)
        if not path.exists():
            return
        with path.open(encoding="utf-8", errors="replace") as file:
            while True:
                running = keep_on and self.status().state == "running"
                for line in file:
                    rest += line
                    if rest.endswith("\n"):
                        yield rest
                        rest = ""
                if not running:
                    break
                yield ""
                time.sleep(POLL)
        if rest:
            yield f"{rest}\n"


def all_runs(root: Path = ROOT) -> list[Run]:
    """The runs under `root`, oldest first."""
    return [Run(path.parent) for path in sorted(root.glob(f"*/{STATUS}"))]


def duration(seconds: float) -> str:
    """A duration in words, with two units at most."""
    whole = max(0, round(seconds))
    units = [("d", 86400), ("h", 3600), ("min", 60), ("s", 1)]
    shown: list[str] = []
    for name, size in units:
        count, whole = divmod(whole, size)
        if count or (shown and len(shown) < 2):
            shown.append(f"{count} {name}")
    return " ".join(shown[:2]) or "0 s"


def _eta(status: Status, now: float) -> int | None:
    """Seconds until the last step, at the pace of this phase; None before its first step."""
    began, first = status.paced_from or (now, status.step)
    if status.step <= first or status.steps < status.step:
        return None
    return round((now - began) / (status.step - first) * (status.steps - status.step))


def _alive(pid: int, started: str | None) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return started is None or _started(pid) in (None, started)


def _started(pid: int) -> str | None:
    """The start time of the process in the kernel's ticks; None without /proc."""
    try:
        return Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[19]
    except (OSError, IndexError):
        return None


def _read(path: Path) -> dict[str, Any]:
    try:
        return dict(json.loads(path.read_bytes()))
    except (OSError, TypeError, ValueError) as error:
        raise InputError(f"{path} cannot be read: {error}") from error


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
