"""What releases learned from the questions asked of them: a small JSON file for each in `FAQ_HOME/shares`.

It holds counts, no texts, and survives restarts. Each replica with a FAQ_HOME of its own counts by itself.
"""

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
        path = self._path(release)
        try:
            return Asked.model_validate_json(path.read_bytes())
        except FileNotFoundError:
            return Asked()
        except (OSError, ValidationError) as error:
            logger.warning("%s cannot be read; the questions asked are counted from zero: %s", path, error)
            return Asked()

    def write(self, release: str, asked: str) -> None:
        """Keep what was asked of a release, as JSON. Raises OSError."""
        self._directory.mkdir(parents=True, exist_ok=True)
        durable.write(self._path(release), asked)

    def inherit(self, release: str, parent: str) -> None:
        """Start a release with what was asked of its parent. Raises OSError."""
        if self._path(parent).exists():
            self.write(release, self._path(parent).read_text())

    def drop(self, release: str) -> None:
        """Forget what was asked of a release."""
        self._path(release).unlink(missing_ok=True)

    def _path(self, release: str) -> Path:
        return self._directory / f"{release}.json"
