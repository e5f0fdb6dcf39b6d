"""Sends requests generated from the OpenAPI document to the real service, and counts violations of the document.

    python -m benchmarks.contract [--seconds N] [--seed N] [--add] [--entries]

Runs Schemathesis on a service with the small bundle of the tests: for most of the time on every operation but
the reindex and the lint, which start a process each time; then on the lint alone, whose report is kept while no entry
changes, and on sequences of operations, which Schemathesis infers from the document (a job's id from `reindex` to
`cancel`). With --entries it runs on the routes of entries, history, lint and status alone.
Writes benchmarks/results/contract.*
"""

import argparse
import json
import re
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from app.http.security import digest_of
from app.settings import Settings
from benchmarks.places import RESULTS
from tests import bundles
from tests.conftest import ADMIN_KEY, FAQ, fill, publish_home
from tests.faults.service import Service, service

CONFIG = Path(__file__).parents[1] / "tests" / "faults" / "schemathesis.toml"
LEFT_OUT = (
    "positive_data_acceptance",  # a well-formed filter is refused if no entry has its field
    "ignored_auth",  # it sends a wrong key in one header and the right key in the other, which is accepted
)
LINT = "/v1/admin/lint"
WITHOUT_REINDEX = [
    "--exclude-path",
    "/v1/admin/reindex",
    "--exclude-path",
    LINT,
    "--phases",
    "examples,coverage,fuzzing",
]
ENTRIES = ["--include-path-regex", "^/v1/admin/(entr|status)", "--phases", "examples,coverage,fuzzing"]
LINT_ALONE = ["--include-path", LINT, "--phases", "examples,coverage,fuzzing"]
STATEFUL = ["--phases", "stateful"]


def main() -> None:
    """Generate requests, count the responses, write the results. Exit status 1 for any 500."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=int, default=600)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--add", action="store_true", help="add to the counts of an earlier run with another seed")
    parser.add_argument("--entries", action="store_true", help="the routes of entries, history, lint and status alone")
    options = parser.parse_args()
    phases = ENTRIES if options.entries else WITHOUT_REINDEX
    with tempfile.TemporaryDirectory() as work:
        settings = Settings(home=Path(work) / "home", port=0, admin_keys=(digest_of(ADMIN_KEY),))
        fill(settings, FAQ)
        publish_home(settings, bundles.make(Path(work) / "bundle"))
        with service(settings) as running:
            outputs = [generate(running, options.seed, options.seconds * 8 // 10, phases)]
            outputs.append(generate(running, options.seed, options.seconds // 10, LINT_ALONE))
            if not options.entries:
                outputs.append(generate(running, options.seed, options.seconds // 10, STATEFUL))
            report: dict[str, Any] = {"seeds": [options.seed], "seconds": options.seconds, **counted(running)}
            report["tracebacks in the log"] = running.log.count("withheld")
    report["not kept"] = findings(outputs)
    if options.add:
        earlier = json.loads((RESULTS / "contract.json").read_text(encoding="utf-8"))
        report |= {name: value + report.get(name, type(value)()) for name, value in earlier.items()}
    write(report, outputs)
    if report["500"]:
        sys.exit(1)


def generate(running: Service, seed: int, seconds: int, options: list[str]) -> str:
    """The output of one run of Schemathesis."""
    command = [str(Path(sys.executable).with_name("schemathesis")), "--config-file", str(CONFIG)]
    command += ["run", f"{running.url}/openapi.json", "--workers", "4", "--exclude-checks", ",".join(LEFT_OUT)]
    command += ["--header", f"X-API-Key: {ADMIN_KEY}", "--seed", str(seed), "--max-time", str(seconds), "--no-color"]
    command += ["--continue-on-failure", "--warnings", "off", "--request-timeout", "60", *options]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.stdout + done.stderr


def findings(outputs: list[str]) -> list[str]:
    """The violations of the document in these outputs."""
    return sorted({line.strip("- ") for text in outputs for line in re.findall(r"^- .+$", text, re.MULTILINE)})


def counted(running: Service) -> dict[str, Any]:
    """The number of requests by status, from the service's metrics."""
    counts: dict[str, int] = {"500": 0}
    text = running.client.get("/metrics").text
    for status, number in re.findall(r'^faqtual_requests_total\{.*status="(\d+)"\} (\S+)$', text, re.MULTILINE):
        counts[status] = counts.get(status, 0) + int(float(number))
    return {"requests": sum(counts.values()), **dict(sorted(counts.items()))}


def write(report: dict[str, Any], outputs: list[str]) -> None:
    """Write the counts; print them and the end of each output."""
    (RESULTS / "contract.json").write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
    rows = [f"| {name} | {value} |" for name, value in report.items() if name != "not kept"]
    lines = ["# Requests generated from the OpenAPI document", "", "| | |", "|---|---|", *rows, ""]
    (RESULTS / "contract.md").write_text("\n".join(lines), encoding="utf-8")
    print("\n".join(text[-6000:] for text in outputs), *lines, sep="\n")


if __name__ == "__main__":
    main()
