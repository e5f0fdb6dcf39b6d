"""The log's formats. Messages of unexpected errors are withheld, since they may quote a user."""

import json
import logging
import sys
import traceback
from contextvars import ContextVar
from datetime import UTC, datetime
from types import TracebackType
from typing import Literal, NamedTuple

from stamina.instrumentation import RetryDetails, set_on_retry_hooks

from app.errors import FaqError

Format = Literal["text", "json"]

FORMAT = "%(asctime)s %(levelname)s %(name)s: %(message)s"
logger = logging.getLogger(__name__)
WITHHELD = "(message withheld; FAQ_LOG_TEXTS=true shows it)"

_Info = tuple[type[BaseException], BaseException, TracebackType | None] | tuple[None, None, None]


class RequestId(NamedTuple):
    """The ids of a request: the service's, and the caller's if it sent one."""

    ours: str
    callers: str | None


request_id: ContextVar[RequestId | None] = ContextVar("request_id", default=None)  # of the current request


class TextLines(logging.Formatter):
    """Plain lines. Unless `texts`, tracebacks have no messages of errors other than FaqError."""

    def __init__(self, *, texts: bool = False) -> None:
        super().__init__(FORMAT)
        self._texts = texts

    def formatException(self, ei: _Info) -> str:
        """The traceback, as Python prints it, with the first cause first and the messages withheld."""
        if self._texts:
            return super().formatException(ei)
        return "\n".join(_lines(ei[1])) if ei[1] else ""


class JsonLines(TextLines):
    """One JSON object a line: `time`, `level`, `logger`, `message`.

    With a current request also `request_id` and `caller_request_id`; with an error also `exception`, its traceback.
    """

    def format(self, record: logging.LogRecord) -> str:
        """The JSON object, without line breaks."""
        line = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
        }
        if ids := request_id.get():
            line |= {"request_id": ids.ours, **({"caller_request_id": ids.callers} if ids.callers else {})}
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps(line)


def install(*, texts: bool, lines: Format = "text") -> None:
    """Log to stderr from level INFO up. `texts`: include messages of unexpected errors; `lines`: the format."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter((JsonLines if lines == "json" else TextLines)(texts=texts))
    logging.basicConfig(level=logging.INFO, handlers=[handler])
    logging.getLogger("alembic").setLevel(logging.WARNING)
    for name in ("httpx", "httpcore"):  # they log each call to Qdrant
        logging.getLogger(name).setLevel(logging.WARNING)
    set_on_retry_hooks([log_retry])


def log_retry(details: RetryDetails) -> None:
    """Log that a call failed and is tried again; without the error's message, unless it is one for users."""
    error = details.caused_by
    reason = str(error) if isinstance(error, FaqError) else type(error).__name__
    logger.warning("A call failed and is tried again in %.1f s: %s", details.wait_for, reason)


def announce(text: str, level: int = logging.INFO) -> None:
    """Print a plain line to stderr; if the log is JSON, write a line of the log instead."""
    if any(isinstance(handler.formatter, JsonLines) for handler in logging.root.handlers):
        logging.getLogger(__name__).log(level, text)
    else:
        sys.stderr.write(f"{text}\n")


def _lines(error: BaseException) -> list[str]:
    cause = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    frames = [line.rstrip("\n") for line in traceback.format_tb(error.__traceback__)]
    message = str(error) if isinstance(error, FaqError) else WITHHELD
    return [*(_lines(cause) if cause else []), *frames, f"{type(error).__qualname__}: {message}"]
