"""Which release is active, for a process that answers nothing itself."""

import logging
from datetime import datetime

from app.errors import FaqError
from app.releases.catalog import Catalog

logger = logging.getLogger(__name__)


class Pointer:
    """The active release by name. It opens none."""

    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog
        self.release: str | None = None
        self.created_at: datetime | None = None  # when the entries of that release were read from the store

    async def follow(self) -> None:
        """Look which release is active now. What cannot be read is logged, and looked at again next time."""
        try:
            active = await self._catalog.active()
            if active is None or active == self.release:
                return
            records = await self._catalog.indexes.records()
        except FaqError as error:
            logger.warning("The active release cannot be looked up: %s", error)
            return
        for record in records:
            if record.name == active:
                self.release, self.created_at = active, datetime.fromisoformat(record.created_at)
