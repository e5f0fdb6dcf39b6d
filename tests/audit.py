"""What the dependencies bring along: known vulnerabilities, and licences.

    python -m tests.audit     (`make audit`)

Vulnerabilities as pip-audit finds them, for every pinned version of constraints.txt; without its network that part is
said not to have been checked. Licences of what is installed for the service and the trainer, against those that go with
Apache-2.0. Exit status 1 for a vulnerability or another licence.
"""

import json
import re
import subprocess
import sys
from importlib.metadata import PackageNotFoundError, requires
from pathlib import Path

from packaging.requirements import Requirement

ROOT = Path(__file__).parents[1]
WAIT_S = 300
EXTRAS = ("", "trainer", "postgres")
ALLOWED = re.compile(
    r"MIT|BSD|Apache|Python Software Foundation|PSF|Mozilla Public License 2|MPL-2|ISC|Zlib|CC0|CNRI|BSL-1|LGPL",
    re.IGNORECASE,
)
FORBIDDEN = re.compile(r"(?<!L)GPL|Affero|SSPL|Commercial|Proprietary", re.IGNORECASE)


def main() -> int:
    """Both parts; the exit status."""
    return max(vulnerabilities(), licences())


def vulnerabilities() -> int:
    """1 if there are any, 0 if not or if nobody could be asked, which is said."""
    command = [sys.executable, "-m", "pip_audit", "--disable-pip", "--no-deps", "--progress-spinner", "off"]
    command += ["--format", "json", "--timeout", "10", "-r", str(ROOT / "constraints.txt")]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=WAIT_S, check=False)
        packages = json.loads(done.stdout)["dependencies"]
    except (subprocess.TimeoutExpired, ValueError, KeyError):
        return unchecked("pip-audit gave no result")
    skipped = [package for package in packages if "skip_reason" in package]
    if len(skipped) > len(packages) // 2:
        return unchecked(f"{skipped[0]['skip_reason'].partition(':')[0]}")
    bad = [
        (package["name"], package["version"], risk["id"]) for package in packages for risk in package.get("vulns", [])
    ]
    for name, version, risk in bad:
        say(f"vulnerable: {name} {version}: {risk}")
    names = ", ".join(package["name"] for package in skipped)
    say(
        f"vulnerabilities: {len(bad)} in {len(packages) - len(skipped)} packages"
        + (f"; not checked: {names}" if names else "")
    )
    return 1 if bad else 0


def unchecked(why: str) -> int:
    """Say so."""
    say(f"vulnerabilities: NOT CHECKED, the advisory database cannot be reached ({why})")
    return 0


def licences() -> int:
    """1 if a package has a licence that is not among those allowed."""
    command = [str(Path(sys.executable).with_name("pip-licenses")), "--format=json", "--from=mixed", "--with-system"]
    rows = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    wanted = closure("faqtual")
    checked = {row["Name"]: row["License"] for row in rows if canonical(row["Name"]) in wanted}
    bad = {name: text for name, text in checked.items() if FORBIDDEN.search(text) or not ALLOWED.search(text)}
    for name, text in sorted(bad.items()):
        say(f"licence: {name}: {text[:200]!r}")
    say(f"licences: {len(checked)} packages, {len(bad)} not among those allowed")
    return 1 if bad else 0


def closure(root: str) -> set[str]:
    """The packages that one needs with its own extras, and what they need in turn."""
    names: set[str] = set()
    waiting = [root]
    while waiting:
        name = waiting.pop()
        try:
            lines = requires(name) or []
        except PackageNotFoundError:  # for another system, or an extra that is not installed
            continue
        extras = EXTRAS if name == root else ("",)
        for line in lines:
            requirement = Requirement(line)
            applies = requirement.marker is None or any(
                requirement.marker.evaluate({"extra": extra}) for extra in extras
            )
            if applies and canonical(requirement.name) not in names:
                names.add(canonical(requirement.name))
                waiting.append(requirement.name)
    return names


def canonical(name: str) -> str:
    """A package's name as PyPI compares it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def say(line: str) -> None:
    """One line for a person."""
    sys.stdout.write(line + "\n")


if __name__ == "__main__":
    sys.exit(main())
