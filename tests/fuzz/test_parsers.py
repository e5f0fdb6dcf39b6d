"""Every parser reads an arbitrary input, or refuses it with a message."""

import pytest
from hypothesis import HealthCheck, given, settings

from tests.fuzz.targets import REFUSALS, TARGETS, Target

EXAMPLES = 150


@pytest.mark.parametrize("target", TARGETS, ids=lambda target: target.name)
def test_a_parser_reads_its_input_or_refuses_it_with_a_message(target: Target) -> None:
    @settings(max_examples=EXAMPLES, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    @given(target.inputs)
    def check(given: object) -> None:
        try:
            target.run(given)
        except REFUSALS as error:
            messages.append(str(error).strip())

    messages: list[str] = []
    check()
    assert all(messages)
