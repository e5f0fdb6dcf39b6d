"""Every parser, on inputs made to break it: it reads, or refuses in words, and does nothing else."""

import pytest
from hypothesis import HealthCheck, given, settings

from tests.fuzz.targets import REFUSALS, TARGETS, Target

EXAMPLES = 150


@pytest.mark.parametrize("target", TARGETS, ids=lambda target: target.name)
def test_reads_or_refuses(target: Target) -> None:
    @settings(max_examples=EXAMPLES, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    @given(target.inputs)
    def check(given: object) -> None:
        try:
            target.run(given)
        except REFUSALS as error:
            said.append(str(error).strip())

    said: list[str] = []
    check()
    assert all(said)
