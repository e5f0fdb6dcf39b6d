"""The changes that a stand-in for Qdrant has made, in a file that outlives its process."""

import base64
import json
from pathlib import Path
from typing import Any

import httpx2


class Journal:
    """Appends changes to a file; what was appended survives a SIGKILL."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("a", encoding="utf-8")

    @classmethod
    async def replayed(cls, path: Path, application: Any) -> "Journal":  # noqa: ANN401 - an ASGI application
        """The journal at `path`, once `application` has made all changes that are in it."""
        lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
        async with httpx2.AsyncClient(transport=httpx2.ASGITransport(application), base_url="http://replay") as client:
            for line in lines:
                method, url, body = json.loads(line)
                (await client.request(method, url, content=base64.b64decode(body))).raise_for_status()
        return cls(path)

    def append(self, method: str, path: str, body: bytes) -> None:
        """Note a change."""
        self._file.write(json.dumps([method, path, base64.b64encode(body).decode()]) + "\n")
        self._file.flush()
