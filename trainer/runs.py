"""Runs: one directory for one execution of the trainer, readable from any other process while it goes on.

config.json     what was asked for
status.json     how far it is (`Status`), replaced atomically
log             what happened, for people
metrics.jsonl   what was measured, a line at a time
checkpoints/    what a resumed run starts from; removed at the end
shipped.json    which share of the fine-tuning is shipped, and why (`trainer.guard`)
model/          the model that is shipped, as sentence-transformers saves it
bundle/         what the service loads
results.json    the held-out questions, before and after (`trainer.reports.results`)
report.html     what changed, for people; README.md, the model card; plots/
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
    """status.json. `phase` says what is being done; `reason` why it ended, where it did not succeed."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    state: State
    phase: str = ""
    epoch: float = 0
    step: int = 0
    steps: int = 0
    eta_seconds: int | None = None  # until the training's last step; None where nobody knows
    pid: int
    started: str | None = None  # of the process, as the kernel counts it: pids are used again
    created_at: str
    updated_at: str
    reason: str | None = None
    paced_from: tuple[float, int] | None = None  # when this phase began, in seconds, and at which step

    @property
    def resumable(self) -> bool:
        """Whether `fit --resume` has something left to do."""
        return self.state not in ("running", "succeeded")


@dataclass(frozen=True)
class Run:
    """One run's directory."""

    directory: Path

    @classmethod
    def create(cls, config: dict[str, Any], out: Path | None = None) -> "Run":
        """A new run in `out`, or under ./runs by the time of day. Raises Conflict when `out` is in use."""
        directory = out or ROOT / f"{datetime.now(UTC):%Y%m%d-%H%M%S}-{os.getpid()}"
        if (directory / STATUS).exists() or (directory.is_dir() and any(directory.iterdir())):
            raise Conflict(f"{directory} is not empty. Choose another --out, or continue it with --resume {directory}.")
        try:
            directory.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise InputError(f"The run's directory {directory} cannot be made: {error.strerror}", "out") from error
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
        raise NotFound(f"There is no run `{name}`; `python -m trainer runs` lists them.")

    @property
    def name(self) -> str:
        """What it is called in lists."""
        return self.directory.name

    @property
    def bundle(self) -> Path:
        """Where its bundle is, or will be."""
        return self.directory / BUNDLE

    @property
    def config(self) -> dict[str, Any]:
        """What was asked for. Raises InputError when config.json cannot be read."""
        return _read(self.directory / CONFIG)

    def status(self) -> Status:
        """How far it is. A run whose process is gone without a word is `killed`. Raises InputError."""
        try:
            status = Status.model_validate(_read(self.directory / STATUS))
        except ValidationError as error:
            raise InputError(f"{self.directory / STATUS} cannot be used: {error.errors()[0]['msg']}") from error
        if status.state == "running" and not _alive(status.pid, status.started):
            gone = f"process {status.pid} is gone without a word"
            return status.model_copy(update={"state": "killed", "reason": gone})
        return status

    def shipped(self) -> Shipped | None:
        """What the guard decided; None where nothing was trained, or the recipe ships what it trained."""
        path = self.directory / SHIPPED
        return Shipped.of(_read(path)) if path.is_file() else None

    def begin(self) -> None:
        """Mark it as running in this process. Raises Conflict when another process is at it."""
        now, pid = _now(), os.getpid()
        status = Status(state="running", pid=pid, started=_started(pid), created_at=now, updated_at=now)
        if (self.directory / STATUS).exists():
            before = self.status()
            if before.state == "running" and before.pid != pid:
                raise Conflict(f"{self.directory} is being worked on by process {before.pid}.")
            kept = {"created_at": before.created_at, "step": before.step, "steps": before.steps, "epoch": before.epoch}
            status = status.model_copy(update=kept)
        durable.write(self.directory / STATUS, status.model_dump_json(indent=2) + "\n")

    def update(self, **changes: object) -> None:
        """Change fields of the status. Steps taken tell when the last one will be."""
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
        """The log's lines; with `keep_on` also those still to come, until the run has ended.

        While it waits it gives empty strings, twice a second, so that a caller can show something else meanwhile.
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
    """Every run under `root`, oldest first."""
    return [Run(path.parent) for path in sorted(root.glob(f"*/{STATUS}"))]


def duration(seconds: float) -> str:
    """A time for people: two units at most."""
    whole = max(0, round(seconds))
    units = [("d", 86400), ("h", 3600), ("min", 60), ("s", 1)]
    shown: list[str] = []
    for name, size in units:
        count, whole = divmod(whole, size)
        if count or (shown and len(shown) < 2):
            shown.append(f"{count} {name}")
    return " ".join(shown[:2]) or "0 s"


def _eta(status: Status, now: float) -> int | None:
    """Seconds until the last step at the pace of this phase; None before its first step."""
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
    """When the process began, in the kernel's ticks; None where there is no /proc."""
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
