"""Runs a command of `python -m app` and kills itself, with SIGKILL, at the n-th call or return inside the code that
matters.

python tests/faults/kill.py N COMMAND [arguments]     N = 0: run to the end and print how many events there were
"""

import os
import signal
import sys
import threading
from collections.abc import Callable
from types import FrameType
from typing import Any

WATCHED = (
    "app/golden/",
    "app/jobs/",
    "app/releases/",
    "app/index/embedded.py",
    "app/index/increment.py",
    "app/index/payload_file.py",
    "app/index/records.py",
    "app/index/segment.py",
    "app/index/segment_writer.py",
    "app/index/checksums.py",
    "app/encoding/bundle.py",
    "app/durable.py",
    "app/knowledge/store.py",
    "app/knowledge/editing.py",
    "app/knowledge/wishes.py",
    "app/knowledge/database.py",
    "sqlalchemy/engine/base.py",
    "shutil.py",
)


def watched(arguments: list[str], fatal: int) -> tuple[int, int]:
    """The exit status of the command and how many events it had; does not return if `fatal` is one of them."""
    from app.__main__ import cli

    status, seen = watched_call(lambda: cli(arguments, standalone_mode=False), fatal)
    return status or 0, seen


def watched_call(work: Callable[[], Any], fatal: int) -> tuple[Any, int]:
    """What `work` returns and how many events it had; does not return if `fatal` is one of them."""
    seen = 0

    def watch(frame: FrameType, event: str, argument: object) -> None:
        nonlocal seen
        if event in ("call", "return") and any(part in frame.f_code.co_filename for part in WATCHED):
            seen += 1
            if seen == fatal:
                os.kill(os.getpid(), signal.SIGKILL)

    threading.setprofile(watch)
    sys.setprofile(watch)
    try:
        result = work()
    finally:
        sys.setprofile(None)
        threading.setprofile(None)
    return result, seen


if __name__ == "__main__":
    status, events = watched(sys.argv[2:], int(sys.argv[1]))
    sys.stdout.write(f"events: {events}\n")
    sys.exit(status)
