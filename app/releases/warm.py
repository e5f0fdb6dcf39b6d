"""The warm worker: a process of the service that builds releases, one job after the other.

It reads the ids of jobs from the standard input, a line each, and answers each with a line once the job has ended:
empty, or the reason for which it failed. It ends with the input, so also when the service dies, after the job that it
runs.
"""

import logging
import signal
import sys
from types import FrameType

from app import logs
from app.errors import FaqError
from app.releases.builder import Builder
from app.settings import Settings

logger = logging.getLogger(__name__)


def main() -> None:
    """The process. An unexpected error ends it, with a traceback in the log."""
    signal.signal(signal.SIGTERM, _end)
    settings = Settings.read()
    logs.install(texts=settings.log_texts, lines=settings.log_format)
    builder: Builder | None = None
    for line in sys.stdin:
        failure = ""
        try:
            builder = builder or Builder(settings)
            builder.run(line.strip())
        except (FaqError, OSError) as error:
            failure = str(error) or repr(error)
            logger.warning("The job %s has ended: %s", line.strip(), failure)
            if builder:  # the next job starts from what is on disk
                builder.close()
            builder = None
        sys.stdout.write(" ".join(failure.split()) + "\n")
        sys.stdout.flush()
        if builder:
            builder.prepare()
    if builder:
        builder.close()


def _end(number: int, frame: FrameType | None) -> None:
    sys.exit(128 + number)


if __name__ == "__main__":
    main()
