"""What goes into the log: of an unexpected error its kind and its place, not its message, which may quote a user."""

import logging
import sys
import traceback
from types import TracebackType

from app.errors import FaqError

FORMAT = "%(asctime)s %(levelname)s %(name)s: %(message)s"
WITHHELD = "(message withheld; FAQ_LOG_TEXTS=true shows it)"

_Info = tuple[type[BaseException], BaseException, TracebackType | None] | tuple[None, None, None]


class Redacting(logging.Formatter):
    """Tracebacks without the messages of errors that are not ours."""

    def formatException(self, ei: _Info) -> str:
        """The chain of errors, the first cause first, as Python prints it but for the messages."""
        return "\n".join(_lines(ei[1])) if ei[1] else ""


def install(*, texts: bool) -> None:
    """Log to stderr, from INFO on; `texts`: with the messages of unexpected errors."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter((logging.Formatter if texts else Redacting)(FORMAT))
    logging.basicConfig(level=logging.INFO, handlers=[handler])
    logging.getLogger("alembic").setLevel(logging.WARNING)
    for chatty in ("httpx", "httpcore"):  # a line for each call to Qdrant
        logging.getLogger(chatty).setLevel(logging.WARNING)


def _lines(error: BaseException) -> list[str]:
    before = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    frames = [line.rstrip("\n") for line in traceback.format_tb(error.__traceback__)]
    message = str(error) if isinstance(error, FaqError) else WITHHELD
    return [*(_lines(before) if before else []), *frames, f"{type(error).__qualname__}: {message}"]
