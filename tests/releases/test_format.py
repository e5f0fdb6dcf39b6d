"""A home whose release another version of the program built: it is named, and a reindex repairs it."""

import asyncio
import json
import time
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from app.backups.backup import backup
from app.cli.reindex import reindex as reindex_command
from app.errors import IndexUnavailable
from app.index.embedded import EmbeddedStore
from app.index.records import FORMAT, RECORD
from app.main import create_app
from app.settings import Settings
from tests.conftest import ADMIN_KEY
from tests.faults.test_killed import ask
from tests.service import ended_job

QUESTION = "When will I get my refund?"


def pointer(settings: Settings) -> tuple[str | None, str | None]:
    return asyncio.run(EmbeddedStore(settings.home / "index").pointer())


def written_by(settings: Settings, version: int | None) -> str:
    """Have the active release say that its files are of this format, None: nothing; returns its name."""
    name = str(pointer(settings)[0])
    path = settings.home / "index" / name / RECORD
    record = json.loads(path.read_bytes())
    del record["format"]
    path.write_text(json.dumps(record if version is None else {"format": version, **record}))
    return name


@pytest.mark.parametrize(
    ("version", "named"), [(None, "an earlier version"), (FORMAT - 1, "an earlier"), (FORMAT + 1, "a later version")]
)
def test_the_version_that_built_a_release_is_named(published: Settings, version: int | None, named: str) -> None:
    name = written_by(published, version)
    with pytest.raises(IndexUnavailable, match=rf"{name} was built by {named}.* Reindex: `python -m app reindex`"):
        ask(published, QUESTION)


def test_a_backup_of_a_release_of_an_earlier_version_is_refused(published: Settings, tmp_path: Path) -> None:
    written_by(published, None)
    with pytest.raises(IndexUnavailable, match="built by an earlier version"):
        backup(published, tmp_path / "backup.tar.gz")
    assert not (tmp_path / "backup.tar.gz").exists()


def test_the_command_reindex_builds_it_again_once_although_no_entry_changed(
    published: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in published.environment().items():
        monkeypatch.setenv(name, value)
    old = written_by(published, None)
    for _ in range(2):
        reindex_command(processes=1)
        assert pointer(published) == (f"{old}-2", old)
    assert ask(published, QUESTION)[1].answers[0].id == "refund"


def test_a_service_says_so_and_answers_after_a_reindex_over_http(published: Settings) -> None:
    old = written_by(published, None)
    with TestClient(create_app(published.model_copy(update={"auto_reindex": "edits"}))) as client:
        client.headers["X-API-Key"] = ADMIN_KEY
        assert client.get("/livez").status_code == 200
        for refused in (client.get("/readyz"), client.post("/v1/ask", json={"question": QUESTION})):
            assert refused.status_code == 503
            assert f"{old} was built by an earlier version" in refused.json()["detail"]
        assert client.get("/v1/admin/jobs").json() == {"jobs": []}
        job = ended_job(client, client.post("/v1/admin/reindex").raise_for_status().json()["job_id"])
        assert (job["status"], job["release"]) == ("succeeded", f"{old}-2")
        deadline = time.monotonic() + 10
        while client.get("/readyz").status_code != 200:
            assert time.monotonic() < deadline
            time.sleep(0.05)
        assert client.post("/v1/ask", json={"question": QUESTION}).json()["answers"][0]["faq_id"] == "refund"
