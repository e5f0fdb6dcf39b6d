"""Generates requests from the OpenAPI document against the real service, and counts what it does not keep of it.

    python -m benchmarks.contract [--seconds N] [--seed N] [--add]

Schemathesis, on a service with the small bundle of the tests: first every operation but the reindex, which starts a
process each time, then a tenth of the time all of them along the document's links. Writes benchmarks/results/contract.*
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
from tests import bundles
from tests.conftest import ADMIN_KEY, FAQ, fill, publish_home
from tests.faults.service import Service, service

RESULTS = Path(__file__).parent / "results"
CONFIG = Path(__file__).parents[1] / "tests" / "faults" / "schemathesis.toml"
LEFT_OUT = (
    "positive_data_acceptance",  # a filter on a field that no entry has is well-formed, and refused
    "ignored_auth",  # it sends nonsense in one header beside the good key in the other; either may hold it
)
WITHOUT_REINDEX = ["--exclude-path", "/v1/admin/reindex", "--phases", "examples,coverage,fuzzing"]
STATEFUL = ["--phases", "stateful"]


def main() -> None:
    """Generate, count, write; exit status 1 for any 500."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=int, default=600)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--add", action="store_true", help="to the counts of an earlier run, of another seed")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as work:
        settings = Settings(home=Path(work) / "home", port=0, admin_keys=(digest_of(ADMIN_KEY),))
        fill(settings, FAQ)
        publish_home(settings, bundles.make(Path(work) / "bundle"))
        with service(settings) as running:
            said = [generate(running, options.seed, options.seconds * 9 // 10, WITHOUT_REINDEX)]
            said.append(generate(running, options.seed, options.seconds // 10, STATEFUL))
            report: dict[str, Any] = {"seeds": [options.seed], "seconds": options.seconds, **counted(running)}
            report["tracebacks in the log"] = running.log.count("withheld")
    report["not kept"] = findings(said)
    if options.add:
        earlier = json.loads((RESULTS / "contract.json").read_text(encoding="utf-8"))
        report |= {name: value + report.get(name, type(value)()) for name, value in earlier.items()}
    write(report, said)
    if report["500"]:
        sys.exit(1)


def generate(running: Service, seed: int, seconds: int, options: list[str]) -> str:
    """One run of Schemathesis; what it says."""
    command = [str(Path(sys.executable).with_name("schemathesis")), "--config-file", str(CONFIG)]
    command += ["run", f"{running.url}/openapi.json", "--workers", "4", "--exclude-checks", ",".join(LEFT_OUT)]
    command += ["--header", f"X-API-Key: {ADMIN_KEY}", "--seed", str(seed), "--max-time", str(seconds), "--no-color"]
    command += ["--continue-on-failure", "--warnings", "off", *options]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.stdout + done.stderr


def findings(said: list[str]) -> list[str]:
    """What of the document was not kept."""
    return sorted({line.strip("- ") for text in said for line in re.findall(r"^- .+$", text, re.MULTILINE)})


def counted(running: Service) -> dict[str, Any]:
    """Requests by status, as the service itself counted them."""
    counts: dict[str, int] = {"500": 0}
    text = running.client.get("/metrics").text
    for status, number in re.findall(r'^faqtual_requests_total\{.*status="(\d+)"\} (\S+)$', text, re.MULTILINE):
        counts[status] = counts.get(status, 0) + int(float(number))
    return {"requests": sum(counts.values()), **dict(sorted(counts.items()))}


def write(report: dict[str, Any], said: list[str]) -> None:
    """The counts, and the end of what Schemathesis said."""
    (RESULTS / "contract.json").write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
    rows = [f"| {name} | {value} |" for name, value in report.items() if name != "not kept"]
    lines = ["# Requests generated from the OpenAPI document", "", "| | |", "|---|---|", *rows, ""]
    (RESULTS / "contract.md").write_text("\n".join(lines), encoding="utf-8")
    print("\n".join(text[-6000:] for text in said), *lines, sep="\n")


if __name__ == "__main__":
    main()
