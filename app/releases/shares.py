"""What releases learned from the questions asked of them: a small JSON file for each in `FAQ_HOME/shares`.

It holds counts, no texts, and survives restarts. The processes that share a FAQ_HOME add their counts up; a question
that two of them are asked counts twice. Each replica with a FAQ_HOME of its own counts by itself.
"""

import fcntl
import logging
from pathlib import Path

from pydantic import ValidationError

from app import durable
from app.ranking.adaptation import Asked

logger = logging.getLogger(__name__)


class Shares:
    """The files of one directory."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def read(self, release: str) -> Asked:
        """What was asked of a release; nothing where there is no file, or none that can be read."""
        return self._kept(release) or Asked()

    def add(self, release: str, asked: Asked, known: Asked) -> Asked:
        """Add what this process counted of a release since `known`, what it had from here last. Returns what all
        processes counted. Raises OSError."""
        self._directory.mkdir(parents=True, exist_ok=True)
        with (self._directory / ".lock").open("a") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            kept = self._kept(release) or known
            total = kept.plus(asked, known)
            if total != kept:
                durable.write(self._path(release), total.model_dump_json())
        return total

    def inherit(self, release: str, parent: str) -> None:
        """Start a release with what was asked of its parent. Raises OSError."""
        if self._path(parent).exists():
            durable.write(self._path(release), self._path(parent).read_text())

    def drop(self, release: str) -> None:
        """Forget what was asked of a release."""
        self._path(release).unlink(missing_ok=True)

    def _kept(self, release: str) -> Asked | None:
        path = self._path(release)
        try:
            return Asked.model_validate_json(path.read_bytes())
        except FileNotFoundError:
            return None
        except (OSError, ValidationError) as error:
            logger.warning("%s cannot be read; the questions asked are counted from zero: %s", path, error)
            return None

    def _path(self, release: str) -> Path:
        return self._directory / f"{release}.json"
