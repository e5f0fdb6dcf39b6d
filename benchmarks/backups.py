"""What a backup and its restore cost: seconds, the time for which nothing can be published, size, and peak memory.

    python -m benchmarks.backups [--entries 10000,100000]
    python -m benchmarks.backups --entries 100000 --home DIR
    python -m benchmarks.backups --server --entries 1000

Entries of some 400 characters, a bundle of the tests with vectors of 384 dimensions (without the 23 MB of a model),
embedded index, SQLite; or, with --home, the homes that `python -m benchmarks.scale --home DIR` left. Backup and restore
run in a process of their own; copying the same files, without compression and without reading them back, is what they
are compared with. --server: the index is on the stand-in for a Qdrant server (`tests/faults/qdrant.py`), so a backup
holds entries and bundles, and a restore reindexes; its times say nothing of a real server. Writes
benchmarks/results/backups.json.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from unittest.mock import patch

from app.backups.backup import backup
from app.backups.restore import restore
from app.knowledge.database import Database
from app.knowledge.store import Store
from app.releases.reindexing import reindex
from app.releases.turns import writing
from app.settings import Settings
from benchmarks.imports import made
from benchmarks.places import RESULTS
from tests import bundles
from tests.faults.stand_in import stand_in

DIMENSION = 384
Figures = dict[str, float]


def main() -> None:
    """Each size."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0] if __doc__ else None)
    parser.add_argument("--entries", default="10000,100000")
    parser.add_argument("--server", action="store_true")
    parser.add_argument("--home", type=Path)
    parser.add_argument("--act", choices=("backup", "restore"), help=argparse.SUPPRESS)
    parser.add_argument("--file", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.act:
        sys.stdout.write(json.dumps(measured(options.act, options.file)) + "\n")
        return
    results = RESULTS / "backups.json"
    report = json.loads(results.read_text(encoding="utf-8")) if results.exists() else {}
    for size in options.entries.split(","):
        name = f"{size} on a stand-in for a server" if options.server else size
        with on_server() if options.server else nullcontext():
            report[name] = of_scale(options.home / size / "home") if options.home else of_size(int(size))
        sys.stdout.write(f"{name}: {json.dumps(report[name])}\n")
    results.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")


def of_size(entries: int) -> Figures:
    """The figures for a home of so many entries."""
    bundles.DIMENSION = DIMENSION
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        settings = Settings.read().model_copy(update={"home": folder / "home"})
        store = Store.open(settings.sqlalchemy_url)
        store.import_entries(made(entries), "replace")
        store.close()
        reindex(settings, bundles.make(folder / "bundle").directory)
        return of_home(settings.home, folder)


def of_scale(home: Path) -> Figures:
    """The figures for a home that is there."""
    with tempfile.TemporaryDirectory(dir=home.parent) as scratch:
        return of_home(home, Path(scratch))


def of_home(home: Path, folder: Path) -> Figures:
    """Back up, restore and copy a home. `folder`: where all copies are written."""
    file = folder / "backup.tar.gz"
    figures = in_process("backup", home, file)
    figures |= in_process("restore", folder / "restored", file)
    kept = [home / name for name in ("index", "models", "knowledge.db") if (home / name).exists()]
    figures |= copied(kept, folder / "copy")
    if figures["copy_s"] >= 0.1:  # less is not measured well
        figures["ratio_to_copy"] = round(figures["backup_s"] / figures["copy_s"], 1)
    figures["home_mb"] = round(sum(on_disk(path) for path in kept) / 1e6, 1)
    figures["file_mb"] = round(file.stat().st_size / 1e6, 1)
    return figures


@contextmanager
def on_server() -> Iterator[None]:
    """Every process that starts within the block has the stand-in as its Qdrant server."""
    with stand_in() as server, patch.dict(os.environ, FAQ_QDRANT_URL=server.urls[0]):
        yield


def copied(paths: list[Path], target: Path) -> Figures:
    """Seconds and CPU of copying the files, holes included, and flushing them to the disk."""
    began, began_cpu = time.perf_counter(), os.times()
    target.mkdir()
    subprocess.run(["cp", "-a", *map(str, paths), str(target)], check=True)
    subprocess.run(["sync", "-f", str(target)], check=True)
    ended = os.times()
    cpu = ended.children_user + ended.children_system - began_cpu.children_user - began_cpu.children_system
    return {"copy_s": round(time.perf_counter() - began, 2), "copy_cpu_s": round(cpu, 2)}


def in_process(act: str, home: Path, file: Path) -> Figures:
    """What `measured` gives in a new process."""
    code = [sys.executable, "-m", "benchmarks.backups", "--act", act, "--file", str(file)]
    run = subprocess.run(code, check=True, stdout=subprocess.PIPE, env={**os.environ, "FAQ_HOME": str(home)})
    figures: Figures = json.loads(run.stdout)
    return figures


def measured(act: str, file: Path) -> Figures:
    """Seconds, CPU and peak memory of a backup or a restore; of a backup also the seconds of the writer's lock."""
    settings, locked = Settings.read(), [0.0]

    @contextmanager
    def timed(home: Path, database: Database) -> Iterator[None]:
        with writing(home, database):
            began = time.perf_counter()
            yield
            locked[0] = time.perf_counter() - began

    began, began_cpu = time.perf_counter(), time.process_time()
    with patch("app.backups.backup.writing", timed):
        if act == "backup":
            backup(settings, file)
        elif bundle := restore(settings, file):
            reindex(settings, bundle)
    figures = {f"{act}_s": time.perf_counter() - began, f"{act}_cpu_s": time.process_time() - began_cpu}
    if act == "backup":
        figures["locked_s"] = locked[0]
    status = Path("/proc/self/status").read_text(encoding="ascii")
    return {name: round(figure, 2) for name, figure in figures.items()} | {
        f"{act}_peak_mb": round(int(status.split("VmHWM:")[1].split()[0]) / 1024)
    }


def on_disk(path: Path) -> int:
    """Bytes that the files take on the disk, without holes."""
    files = [path] if path.is_file() else [file for file in path.rglob("*") if file.is_file()]
    return sum(file.stat().st_blocks * 512 for file in files)


if __name__ == "__main__":
    main()
