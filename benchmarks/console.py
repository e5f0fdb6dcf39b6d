"""The console at many entries: server time and weight of each page.

    python -m benchmarks.console [--entries 10000] [--rounds 30]

Makes a home with synthetic entries, each with three phrasings, metadata and a history, and a day of logged questions.
Signs in, and asks for each page again and again, with one client in the same process. The time is from the request to
the whole response; the first of each page is left out. The weight is that of the page and of what it loads,
uncompressed. The model is the deterministic one of the tests, so that encoding costs nothing: `try` takes some
milliseconds more with a real one. Writes benchmarks/results/console.json and .md. Targets: p95 below 100 ms, weight
below 150 kB.
"""

import argparse
import json
import re
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlencode

import numpy as np
from fastapi.testclient import TestClient

from app.golden.questions import GoldenStore, NewQuestion
from app.http.security import digest_of
from app.knowledge.entry import Entry
from app.knowledge.store import Store
from app.main import create_app
from app.questions.log import QuestionLog
from app.settings import Settings
from benchmarks.places import RESULTS
from tests import bundles
from tests.conftest import ADMIN_KEY, publish_home
from tests.questions.made import asked

MOST_MS, MOST_KB = 100, 150
PAGES = {
    "today": "today?days=30",
    "entries": "entries",
    "entries, search": "entries?" + urlencode({"search": "password 77"}),
    "entries, tag, by age": "entries?" + urlencode({"field": "topic-7", "sort": "-created"}),
    "entry": "entry?id=entry-77",
    "history": "history?id=entry-77",
    "new": "new",
    "try": "try?" + urlencode({"question": "How do I reset my password 77?"}),
    "releases": "releases",
    "import": "import",
    "golden": "golden",
    "unanswered": "unanswered",
    "strip": "state",
}
PARTS = ("history", "strip")


def main() -> None:
    """Measure every page; exit status 1 where a target is missed."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--entries", type=int, default=10_000)
    parser.add_argument("--rounds", type=int, default=30)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as directory:
        settings = Settings(
            home=Path(directory), admin_keys=(digest_of(ADMIN_KEY),), auto_reindex="off", log_questions="redacted"
        )
        fill(settings, options.entries)
        publish_home(settings, bundles.make(Path(directory) / "bundle"))
        with TestClient(create_app(settings)) as client:
            client.post("/console/login", data={"key": ADMIN_KEY})
            report = {name: measured(client, name, address, options.rounds) for name, address in PAGES.items()}
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "console.json").write_text(json.dumps({"entries": options.entries, "pages": report}, indent=2) + "\n")
    (RESULTS / "console.md").write_text(table(options.entries, report))
    print(table(options.entries, report))
    missed = [name for name, page in report.items() if page["p95_ms"] >= MOST_MS or page["kb"] >= MOST_KB]
    raise SystemExit(f"Over the target: {', '.join(missed)}" if missed else 0)


def fill(settings: Settings, count: int) -> None:
    """A store of `count` entries that were changed once, and of what was asked in a day."""
    store = Store.open(settings.sqlalchemy_url)
    for answer in ("First", "Then"):
        store.import_entries(entries(count, answer), "replace", by="benchmark")
    log = QuestionLog(store.database, "redacted")
    now = time.time()
    questions = [f"Where do wolves buy turnips number {n % 700}?" for n in range(2_000)]
    log.write(
        [asked(n, text, "no_answer" if n % 3 else "answered", at=now - 40 * n) for n, text in enumerate(questions)]
    )
    golden = GoldenStore(store.database)
    golden.take([NewQuestion(f"How is password {n} reset?", f"entry-{n}") for n in range(min(count, 500))])
    store.close()


def entries(count: int, begin: str) -> Iterator[Entry]:
    """Synthetic entries, with answers of some three hundred characters."""
    for n in range(count):
        yield Entry(
            id=f"entry-{n}",
            question=f"How do I reset my password {n}?",
            alternatives=(f"I lost my password {n}", f"change password {n}"),
            answer=f"{begin} use the link below the **sign-in form** number {n}. " * 6,
            metadata={"category": f"category {n % 20}", "tags": [f"topic-{n % 50}"], "year": 2000 + n % 25},
        )


def measured(client: TestClient, name: str, address: str, rounds: int) -> dict[str, float]:
    """p50 and p95, and the CPU time of service and client, in milliseconds; the weight in kB of 1,000 bytes."""
    headers = {"HX-Request": "true"} if name in PARTS else {}
    times, cpu = [], []
    for _ in range(rounds + 1):
        start = time.perf_counter(), time.process_time()
        response = client.get(f"/console/{address}", headers=headers)
        times.append(1000 * (time.perf_counter() - start[0]))
        cpu.append(1000 * (time.process_time() - start[1]))
        assert response.status_code == 200, response.text
    loaded = set(re.findall(r'(?:src|href)="(static/[^"]+)"', response.text))
    weight = len(response.content) + sum(len(client.get(f"/console/{path}").content) for path in loaded)
    p50, p95 = np.percentile(times[1:], (50, 95))
    figures = {"p50_ms": p50, "p95_ms": p95, "cpu_ms": np.median(cpu[1:]), "kb": weight / 1000}
    return {name: round(float(value), 1) for name, value in figures.items()}


def table(count: int, report: dict[str, dict[str, float]]) -> str:
    """The report in Markdown."""
    columns = ("p50_ms", "p95_ms", "cpu_ms", "kb")
    rows = [f"| {name} | " + " | ".join(str(page[key]) for key in columns) + " |" for name, page in report.items()]
    head = f"{count:,} entries. Targets: p95 below {MOST_MS} ms, weight below {MOST_KB} kB.\n\n"
    return f"{head}| page | p50 ms | p95 ms | CPU ms | kB |\n|---|---|---|---|---|\n" + "\n".join(rows) + "\n"


if __name__ == "__main__":
    main()
