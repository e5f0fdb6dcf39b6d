"""What the log says."""

import logging
from collections.abc import Iterator

import pytest
import stamina
from stamina.instrumentation import get_on_retry_hooks, set_on_retry_hooks

from app.errors import StoreError
from app.logs import log_retry


@pytest.fixture(autouse=True)
def hooks() -> Iterator[None]:
    before = get_on_retry_hooks()
    set_on_retry_hooks([log_retry])
    yield
    set_on_retry_hooks(before)


@pytest.mark.parametrize(
    ("error", "reason"),
    [(StoreError("The database is away."), "The database is away."), (OSError("a text"), "OSError")],
)
def test_a_call_that_is_tried_again_is_logged_in_words(
    error: Exception, reason: str, caplog: pytest.LogCaptureFixture
) -> None:
    errors = iter([error])
    for attempt in stamina.retry_context(on=type(error), attempts=2, wait_initial=0.01, wait_jitter=0):
        with attempt:
            for raised in errors:
                raise raised
    assert caplog.record_tuples == [
        ("app.logs", logging.WARNING, f"A call failed and is tried again in 0.0 s: {reason}")
    ]
