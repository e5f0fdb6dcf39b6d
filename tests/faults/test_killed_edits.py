"""Edits, increments and compactions of a real process, killed at a handful of moments: nothing is lost or mixed.

`python -m benchmarks.faults` has hundreds of points.
"""

import pytest

from tests.faults.edits import KINDS, Killed, Kind

POINTS = 2


@pytest.fixture(scope="module")
def killed(tmp_path_factory: pytest.TempPathFactory) -> Killed:
    return Killed(tmp_path_factory.mktemp("killed"))


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_what_is_killed_at_any_moment_is_done_by_the_next_run(killed: Killed, kind: Kind) -> None:
    events = killed.events(kind)
    assert events > 50
    for point in range(POINTS):
        assert killed.kill(kind, 1 + events * (2 * point + 1) // (2 * POINTS)) in ("old", "new")
