"""The guard of a Qdrant server: when it repeats, when it refuses, when it tries again."""

import asyncio

import pytest
from httpx import Headers
from qdrant_client.http.exceptions import UnexpectedResponse

from app.errors import IndexUnavailable
from app.index.resilience import LONGEST_OPEN_S, OPENS_AFTER, RETRY_BURST, Breaker, Budget, Guarded


class Clock:
    """A clock that a test turns."""

    now = 100.0

    def __call__(self) -> float:
        return self.now


def refused(breaker: Breaker) -> bool:
    try:
        breaker.enter()
    except IndexUnavailable as error:
        return error.retry_after_s is not None
    return False


def test_the_breaker_opens_tries_once_and_closes() -> None:
    clock = Clock()
    breaker = Breaker(clock)
    for _ in range(OPENS_AFTER):
        assert not refused(breaker)
        breaker.failed()
    assert refused(breaker)
    clock.now += 2
    assert not refused(breaker)
    assert refused(breaker)  # while one call tries, no other does
    breaker.abandoned()
    assert not refused(breaker)
    breaker.failed()
    clock.now += 1.5
    assert refused(breaker)  # twice as long
    clock.now += LONGEST_OPEN_S
    assert not refused(breaker)
    breaker.succeeded()
    assert breaker.closed
    assert not refused(breaker)
    assert not refused(breaker)


def test_single_failures_do_not_open_it() -> None:
    breaker = Breaker(Clock())
    for _ in range(10 * OPENS_AFTER):
        breaker.enter()
        breaker.failed()
        breaker.enter()
        breaker.succeeded()
    assert breaker.closed


def test_repeats_are_a_tenth_of_the_reads_at_most() -> None:
    budget, repeats = Budget(), 0
    for _ in range(1000):
        budget.earn()
        repeats += budget.spend()
    assert repeats <= RETRY_BURST + 100


class Server:
    """A client whose calls end as the test says, and which counts them."""

    def __init__(self, *outcomes: object) -> None:
        self._outcomes = list(outcomes)
        self.calls = 0

    async def count(self) -> object:
        return self._next()

    async def upsert(self) -> object:
        return self._next()

    async def retrieve(self) -> object:
        await asyncio.sleep(60)
        return None

    def _next(self) -> object:
        self.calls += 1
        outcome = self._outcomes.pop(0) if self._outcomes else 1
        if isinstance(outcome, Exception):
            raise outcome
        return outcome


def response(status: int) -> UnexpectedResponse:
    return UnexpectedResponse(status, "reason", b"", Headers())


@pytest.mark.anyio
async def test_a_read_is_repeated_once_and_a_change_never() -> None:
    server = Server(ConnectionError(), 7)
    assert await Guarded(server).count() == 7
    failing = Server(*[response(503)] * 3)
    with pytest.raises(UnexpectedResponse):
        await Guarded(failing).count()
    assert failing.calls == 2
    changing = Server(ConnectionError(), 7)
    with pytest.raises(ConnectionError):
        await Guarded(changing).upsert()
    assert changing.calls == 1


@pytest.mark.anyio
async def test_a_refusal_is_an_answer() -> None:
    guarded = Guarded(server := Server(*[response(404)] * 20))
    for _ in range(20):
        with pytest.raises(UnexpectedResponse):
            await guarded.count()
    assert server.calls == 20
    assert guarded.breaker.closed


@pytest.mark.anyio
async def test_what_takes_too_long_is_ended_and_not_repeated() -> None:
    guarded = Guarded(Server(), read_s=0.05)
    for _ in range(OPENS_AFTER):
        with pytest.raises(TimeoutError, match=r"no answer within 0\.05 s"):
            await guarded.retrieve()
    with pytest.raises(IndexUnavailable):
        await guarded.count()
