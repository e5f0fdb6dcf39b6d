"""A power cut, simulated: what a disk would hold after each durable operation of a real process.

The model is that of a journaling file system: names change in order, and a change of a name is kept; what a file holds
is kept as of its last fsync, fdatasync or msync(MS_SYNC), and a file never flushed is empty. Not simulated: names lost
because their directory was not flushed (that is the same as an earlier cut), and pages written out of order.
"""

import os
import shutil
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

HERE = Path(__file__).parent
ROOT = HERE.parents[1]


@dataclass
class Moment:
    """What is durable after one operation: of each path its content's number, 0 if it is empty, None for a folder."""

    operation: str
    names: dict[str, int | None]


@dataclass
class Recording:
    """Every moment of one process's work in `home`, and the contents that they refer to."""

    home: Path
    contents: Path
    moments: list[Moment] = field(default_factory=list)
    _versions: dict[int, int] = field(default_factory=dict)  # of each inode
    _count: int = 0

    def begin(self) -> None:
        """What is there before is durable."""
        for path in self.home.rglob("*"):
            if path.is_file():
                self._keep(path)
        self._note("begin")

    def record(self, process: int, operation: str, number: int) -> None:
        """One operation that `process` has just done."""
        if operation == "sync":
            self._sync(Path(f"/proc/{process}/fd/{number}").readlink())
        elif operation == "map":
            self._sync(_mapped(process, number))
        self._note(operation)

    def restore(self, moment: int, home: Path) -> None:
        """Make `home` what a disk would hold if the power failed after that moment."""
        home.mkdir(parents=True)
        for name, version in sorted(self.moments[moment].names.items()):
            target = home / name
            if version is None:
                target.mkdir()
            elif version == 0:
                target.touch()
            else:
                shutil.copyfile(self.contents / str(version), target)

    def _sync(self, path: Path | None) -> None:
        if path and path.is_file() and path.is_relative_to(self.home):
            self._keep(path)

    def _keep(self, path: Path) -> None:
        self._count += 1
        shutil.copyfile(path, self.contents / str(self._count))
        self._versions[path.stat().st_ino] = self._count

    def _note(self, operation: str) -> None:
        names: dict[str, int | None] = {}
        living = set()
        for folder, folders, files in os.walk(self.home):
            names.update({os.path.relpath(os.path.join(folder, name), self.home): None for name in folders})  # noqa: PTH118
            for name in files:
                path = Path(folder, name)
                inode = path.stat().st_ino
                living.add(inode)
                names[str(path.relative_to(self.home))] = self._versions.get(inode, 0)
        for gone in self._versions.keys() - living:
            del self._versions[gone]
        self.moments.append(Moment(operation, names))


def recorded(home: Path, arguments: Sequence[str], environment: Mapping[str, str], work: Path) -> Recording:
    """Run a command of `python -m` to its end and record what became durable in `home`, and when."""
    recording = Recording(home.resolve(), work / "contents")
    recording.contents.mkdir(parents=True)
    recording.begin()
    with _listening(recording, work / "socket"):
        variables = {
            **os.environ,
            **environment,
            "PYTHONPATH": str(ROOT),
            "LD_PRELOAD": str(compiled("recorder.c", work)),
            "FAULTS_SOCKET": str(work / "socket"),
        }
        command = [sys.executable, "-m", *arguments]
        subprocess.run(command, env=variables, check=True, capture_output=True, timeout=300)
    return recording


def compiled(source: str, work: Path) -> Path:
    """The shared library of a C file beside this one."""
    library = work / f"{source}.so"
    command = ["cc", "-shared", "-fPIC", "-O1", "-o", str(library), str(HERE / source), "-ldl"]
    subprocess.run(command, check=True, capture_output=True)
    return library


@contextmanager
def _listening(recording: Recording, path: Path) -> Iterator[None]:
    """Answer the recorder, one operation at a time, until the block ends."""
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen(64)

        def serve() -> None:
            while True:
                connection, _ = listener.accept()
                with connection:
                    line = connection.makefile().readline().split()
                    if not line:
                        return
                    recording.record(int(line[0]), line[1], int(line[2]))
                    connection.sendall(b".")

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield
        finally:
            with socket.socket(socket.AF_UNIX) as last:
                last.connect(str(path))
            thread.join()


def _mapped(process: int, address: int) -> Path | None:
    """The file that is mapped at an address."""
    for line in Path(f"/proc/{process}/maps").read_text(encoding="utf-8").splitlines():
        span, _, rest = line.partition(" ")
        start, end = (int(part, 16) for part in span.split("-"))
        if start <= address < end and "/" in rest:
            return Path("/" + rest.partition("/")[2])
    return None
