"""Names of threads, as `top -H` shows them: Python names only its own objects before version 3.14."""

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path


def named(name: str) -> Callable[[], None]:
    """An initializer of a thread pool, which names each thread. Where there is no /proc, it does nothing."""

    def initialize() -> None:
        with suppress(OSError):
            Path("/proc/thread-self/comm").write_text(name, encoding="utf-8")

    return initialize
