"""`python -m app` and `python -m trainer` as real processes."""

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx2
import pytest

from app.encoding.bundle import Bundle
from app.http.security import digest_of
from app.keys import NamedKey
from app.releases import live
from app.settings import Settings
from tests.conftest import ADMIN_KEY, FAQ, fill
from tests.waiting import PATIENCE_S, wait_until

ROOT = Path(__file__).parents[1]


def environment(settings: Settings) -> dict[str, str]:
    return {**os.environ, **settings.environment(), "PYTHONPATH": str(ROOT)}


def run(settings: Settings, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a command of `python -m app` to its end."""
    command = [sys.executable, "-m", "app", *arguments]
    return subprocess.run(
        command,
        env=environment(settings),
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
        cwd=settings.home.parent,
    )


@contextmanager
def serving(settings: Settings, *arguments: str) -> Iterator[tuple[httpx2.Client, subprocess.Popen[str]]]:
    """A running service and a client of it."""
    process = subprocess.Popen(
        [sys.executable, "-m", "app", *arguments], env=environment(settings), stderr=subprocess.PIPE, text=True
    )
    try:
        assert process.stderr is not None
        address = next(match for line in process.stderr if (match := re.search(r"http://\S+", line)))
        with httpx2.Client(
            base_url=address[0], headers={"X-API-Key": ADMIN_KEY}, trust_env=False, timeout=PATIENCE_S
        ) as client:
            wait_until(lambda: is_alive(client))
            yield client, process
    finally:
        process.kill()
        process.communicate()


def is_alive(client: httpx2.Client) -> bool:
    try:
        return client.get("/livez").status_code == 200
    except httpx2.TransportError:
        return False


def test_a_file_is_imported_published_and_served(settings: Settings, bundle: Bundle, tmp_path: Path) -> None:
    file = tmp_path / "faq.csv"
    file.write_text("question,answer,category\nWhen will I get my refund?,Within five days.,returns\n")
    imported = run(settings, "import", str(file))
    assert imported.stdout.strip() == "1 entries: 1 added, 0 updated, 0 unchanged, 0 removed."
    published = run(settings, "reindex", "--bundle", str(bundle.directory))
    assert published.returncode == 0, published.stderr
    release = published.stdout.split()[-1]
    listed = json.loads(run(settings, "releases", "--json").stdout)
    shown = run(settings, "releases").stdout
    assert "not fitted to this FAQ. Only 0 held-out questions" in " ".join(shown.split())
    assert [(row["name"], row["active"], row["entries"]) for row in listed] == [(release, True, 1)]
    with serving(settings) as (client, process):
        reply = client.post("/v1/ask", json={"question": "When will I get my refund?"}).json()
        assert (reply["release"], reply["answers"][0]["answer"]) == (release, "Within five days.")
        process.send_signal(signal.SIGTERM)
        assert process.wait(PATIENCE_S) == 0


def test_the_demo_answers_from_a_home_of_its_own_and_leaves_nothing(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    monkeypatch.setenv("TMPDIR", str(scratch))
    elsewhere = settings.model_copy(update={"database_url": f"sqlite:///{tmp_path / 'mine.db'}"})
    with serving(elsewhere, "demo") as (client, process):
        assert [path.name[:13] for path in scratch.iterdir()] == ["faqtual-demo-"]
        reply = client.post("/v1/ask", json={"question": "How long until I get my money back?"}).json()
        assert (reply["status"], reply["answers"][0]["faq_id"]) == ("answered", "refund-time")
        process.send_signal(signal.SIGINT)
        assert process.wait(PATIENCE_S) == 0
    assert list(scratch.iterdir()) == []
    assert not elsewhere.home.exists()
    assert not (tmp_path / "mine.db").exists()


def test_a_dry_run_an_import_and_an_export_that_imports_as_the_same_entries(settings: Settings, tmp_path: Path) -> None:
    file, copy = tmp_path / "faq.csv", tmp_path / "copy.xlsx"
    file.write_text("question,answer\n=1+1?,2\nWhy?,Because.\n")
    plan = run(settings, "import", str(file), "--dry-run")
    assert plan.returncode == 0
    assert "added" in plan.stdout
    assert plan.stdout.rstrip().endswith("0 refused. This was a dry run of CSV: nothing was changed.")
    run(settings, "import", str(file))
    assert run(settings, "export", str(copy)).returncode == 0
    report = json.loads(run(settings, "import", str(copy), "--mode", "replace", "--dry-run", "--json").stdout)
    assert (report["unchanged"], report["added"], report["updated"], report["removed"]) == (2, 0, 0, 0)
    file.write_text("question,answer,id\nWhy?,Because.,\nHow?,,\n")
    refused = run(settings, "import", str(file), "--dry-run")
    assert refused.returncode == 2
    assert "line 3" in refused.stdout
    assert "1 unchanged" in refused.stdout
    assert [json.loads(line)["answer"] for line in run(settings, "export").stdout.splitlines()] == ["2", "Because."]
    assert "faq.txt" in run(settings, "export", "faq.txt").stderr


def test_a_switch_from_the_command_line_is_noticed_within_two_seconds_and_fails_no_request(published: Settings) -> None:
    assert live.POLL_S <= 1  # the rest of the two seconds is for opening the release
    with serving(published) as (client, _):

        def asked() -> dict[str, Any]:
            response = client.post("/v1/ask", json={"question": "When will I get my refund?"})
            assert response.status_code == 200, response.text
            reply: dict[str, Any] = response.json()
            return reply

        before = asked()
        fill(published, [FAQ[0].model_copy(update={"answer": "Within six days."}), *FAQ[1:]])
        assert run(published, "reindex").returncode == 0
        wait_until(lambda: asked()["answers"][0]["answer"] == "Within six days.")
        back = run(published, "releases", "activate", before["release"])
        assert back.returncode == 0, back.stderr
        wait_until(lambda: asked()["release"] == before["release"])


def test_a_second_service_and_a_port_in_use_are_refused(published: Settings, tmp_path: Path) -> None:
    with serving(published) as (client, _):
        second = run(published)
        assert second.returncode == 2
        assert "Another service is running on" in second.stderr
        assert "Traceback" not in second.stderr
        taken = published.model_copy(update={"port": client.base_url.port, "home": tmp_path / "elsewhere"})
        refused = run(taken)
        assert refused.returncode == 2
        assert "Address already in use. Set FAQ_PORT." in refused.stderr
        assert client.get("/readyz").status_code == 200


def test_every_line_of_a_json_log_is_json_and_names_variables_without_effect(settings: Settings) -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "app"],
        env={**environment(settings), "FAQ_LOG_FORMAT": "json", "FAQ_HOEM": "/data"},
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stderr is not None
    lines: list[str] = []
    while "startup complete" not in "".join(lines):
        lines.append(process.stderr.readline())
        assert process.poll() is None, lines
    process.terminate()
    lines += process.communicate(timeout=PATIENCE_S)[1].splitlines()
    messages = [json.loads(line)["message"] for line in lines]
    assert any("FAQ_HOEM is not a setting" in message and "FAQ_HOME?" in message for message in messages)
    assert any(message.startswith("Faqtual: http://127.0.0.1:") for message in messages)


def test_a_command_names_variables_without_effect(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FAQ_DATABASE_ULR", "sqlite://")
    assert "warning: The environment variable FAQ_DATABASE_ULR" in run(settings, "releases").stderr


def test_a_trainer_command_names_variables_without_effect(tmp_path: Path) -> None:
    environment = {**os.environ, "FAQ_HOEM": str(tmp_path), "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", "trainer", "runs"]
    done = subprocess.run(
        command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=PATIENCE_S, check=True
    )
    assert "warning: The environment variable FAQ_HOEM is not a setting" in done.stderr
    assert "FAQ_HOME?" in done.stderr


@pytest.mark.parametrize(
    ("variable", "value", "message"),
    [
        ("FAQ_PORT", "99999", "FAQ_PORT: Input should be less than or equal to 65535"),
        ("FAQ_ADMIN_KEYS", "secret", "FAQ_ADMIN_KEYS: String should match pattern"),
        ("FAQ_HOST", "0.0.0.0", "set FAQ_ADMIN_KEYS to the digest"),
        ("FAQ_DATABASE_URL", "nonsense", "FAQ_DATABASE_URL cannot be used"),
    ],
)
def test_an_error_names_the_invalid_setting(tmp_path: Path, variable: str, value: str, message: str) -> None:
    environment = {**os.environ, "FAQ_HOME": str(tmp_path), "FAQ_PORT": "0", variable: value, "PYTHONPATH": str(ROOT)}
    refused = subprocess.run(
        [sys.executable, "-m", "app"], env=environment, capture_output=True, text=True, timeout=PATIENCE_S, check=False
    )
    assert refused.returncode == 2, refused.stderr
    assert message in refused.stderr
    assert "Traceback" not in refused.stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("import", "nothing.jsonl"), "nothing.jsonl"),
        (("import", "bad.jsonl"), "bad.jsonl:2: "),
        (("reindex",), "No release is active yet"),
        (("reindex", "--bundle", "."), "is no bundle: it has no manifest.json"),
        (("releases", "activate", "faq-x"), "There is no release faq-x"),
    ],
)
def test_an_error_of_a_command_is_one_line(
    settings: Settings, arguments: tuple[str, ...], message: str, tmp_path: Path
) -> None:
    (tmp_path / "bad.jsonl").write_text('{"answer": "a"}\n{"answer": 5}\n')
    failed = run(settings, *arguments)
    assert failed.returncode == 2
    assert message in failed.stderr
    assert "Traceback" not in failed.stderr


def test_a_named_key_is_printed_as_the_setting_takes_it(settings: Settings) -> None:
    key, setting = run(settings, "key", "--name", "ann", "--scope", "edit").stdout.splitlines()
    text = setting.removeprefix("FAQ_KEYS: ")
    assert NamedKey.of(text) == NamedKey("ann", "edit", digest_of(key.split()[-1]))


def test_the_key_command_prints_a_key_and_its_digest(settings: Settings) -> None:
    key, digest = (line.split()[-1] for line in run(settings, "key").stdout.splitlines())
    assert digest_of(key) == digest


def test_a_new_home_answers_from_a_file_with_the_base_model(settings: Settings, tmp_path: Path) -> None:
    file = tmp_path / "faq.csv"
    file.write_text("question,answer\nWhen will I get my refund?,Within five days.\nWho are you?,A shop.\n")
    for _ in range(2):  # the second start finds a home with a release, and imports nothing
        with serving(settings, "start", str(file)) as (client, _):
            reply = client.post("/v1/ask", json={"question": "When is my money paid back?", "top_k": 1}).json()
            shown = [*reply["answers"], *reply["suggestions"]]
            assert shown[0]["question"] == "When will I get my refund?"
        file.write_text("question,answer\nAnother?,Another.\n")


def test_a_command_of_the_trainer_is_found_by_the_console_script(settings: Settings) -> None:
    command = [sys.executable, "-c", "from app.__main__ import main; main()", "runs", "list"]
    listed = subprocess.run(
        command, env=environment(settings), capture_output=True, text=True, check=False, cwd=settings.home.parent
    )
    assert listed.returncode == 0, listed.stderr
    assert "run" in listed.stdout
