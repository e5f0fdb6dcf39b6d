"""Requests generated from the OpenAPI document, for some seconds: `make contract` sends tens of thousands."""

from app.settings import Settings
from benchmarks.contract import STATEFUL, WITHOUT_REINDEX, counted, findings, generate
from tests.faults.service import service

SECONDS, SEED = 12, 1


def test_nothing_that_is_generated_breaks_the_contract(published: Settings) -> None:
    with service(published) as running:
        said = [generate(running, SEED, SECONDS, phases) for phases in (WITHOUT_REINDEX, STATEFUL)]
        counts = counted(running)
    assert findings(said) == []
    assert counts["500"] == 0
    assert counts["requests"] > 100
    assert "Traceback" not in running.log
