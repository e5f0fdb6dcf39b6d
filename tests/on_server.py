"""Tests and measures Faqtual on a Qdrant server, and prints one table at the end.

    QDRANT_URL=http://… python -m tests.on_server [arguments of pytest]
    QDRANT_URLS=http://node1,http://node2,http://node3 python -m tests.on_server

Runs the tests that have the marker `server`, each of which names its kind, then `benchmarks.server`. Everything happens
in namespaces of its own, which are removed; the server may hold other data. To be away, it is cut off by a proxy. Exit
status 1 if a test failed, or the benchmark did.
"""

import subprocess
import sys
from collections import Counter, defaultdict

import pytest

from tests.faults.real import real_urls

KINDS = ("contract", "build", "switch", "faults", "replicas")
OUTCOMES = ("passed", "failed", "skipped")


class Tally:
    """A plugin of pytest: counts the tests of each kind by their outcome."""

    def __init__(self) -> None:
        self.counts: dict[str, Counter[str]] = defaultdict(Counter)
        self._kinds: dict[str, str] = {}

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        """Note the kind of each test."""
        for item in items:
            marker = item.get_closest_marker("server")
            self._kinds[item.nodeid] = marker.args[0] if marker else ""

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Count a test once: by its call, or by the step that it did not pass."""
        if report.when == "call" or report.outcome != "passed":
            self.counts[self._kinds[report.nodeid]][report.outcome] += 1

    def table(self) -> str:
        """The counts, in Markdown."""
        lines = ["| tests | " + " | ".join(OUTCOMES) + " |", "|---" * (len(OUTCOMES) + 1) + "|"]
        for kind in KINDS:
            lines.append(f"| {kind} | " + " | ".join(str(self.counts[kind][outcome]) for outcome in OUTCOMES) + " |")
        return "\n".join(lines) + "\n"


def main() -> int:
    """Run everything, and return the exit status."""
    if not real_urls():
        sys.stderr.write("error: neither QDRANT_URL nor QDRANT_URLS is set, such as QDRANT_URL=http://localhost:6333\n")
        return 2
    tally = Tally()
    status = pytest.main(["-m", "server", "-n", "0", "tests", *sys.argv[1:]], plugins=[tally])
    measured = subprocess.run(
        [sys.executable, "-m", "benchmarks.server"], stdout=subprocess.PIPE, text=True, check=False
    )
    sys.stdout.write(f"\nOn {', '.join(real_urls())}:\n\n{tally.table()}\n{measured.stdout}")
    return int(status != 0 or measured.returncode != 0)


if __name__ == "__main__":
    sys.exit(main())
