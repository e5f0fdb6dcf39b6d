"""Runs `python -m app reindex` and kills itself, with SIGKILL, at the n-th call or return inside the code that matters.

python tests/faults/kill.py N [arguments of reindex]     N = 0: run to the end and print how many events there were
"""

import os
import signal
import sys
import threading
from types import FrameType

WATCHED = ("app/releases/", "app/retrieval/embedded.py", "app/durable.py", "shutil.py")


def main() -> None:
    from app.__main__ import cli

    fatal, seen = int(sys.argv.pop(1)), 0

    def watch(frame: FrameType, event: str, argument: object) -> None:
        nonlocal seen
        if event in ("call", "return") and any(part in frame.f_code.co_filename for part in WATCHED):
            seen += 1
            if seen == fatal:
                os.kill(os.getpid(), signal.SIGKILL)

    threading.setprofile(watch)
    sys.setprofile(watch)
    sys.argv.insert(1, "reindex")
    try:
        cli()
    finally:
        sys.setprofile(None)
        sys.stdout.write(f"events: {seen}\n")


if __name__ == "__main__":
    main()
