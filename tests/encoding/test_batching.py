"""Many callers and a few encoders: nobody waits for company, nobody is passed over, nothing depends on the batch."""

import asyncio
from collections.abc import Callable, Sequence
from threading import Event, get_ident

import numpy as np
import pytest
from tokenizers import Encoding as Tokens

from app.arrays import Vectors
from app.encoding import batching
from app.encoding.batching import BATCH, Batcher
from app.encoding.bundle import Bundle
from app.encoding.encoder import Encoder
from tests.waiting import PATIENCE_S

pytestmark = pytest.mark.anyio
TEXTS = [f"{word} {number}" for word in ("refund", "lost password key", "delivery " * 12) for number in range(20)]


class Gated(Encoder):
    """The real encoder, which waits for a gate and notes what it encoded together."""

    def __init__(self, bundle: Bundle, open_gate: bool = True) -> None:
        super().__init__(bundle, threads=1)
        self.gate = Event()
        if open_gate:
            self.gate.set()
        self.batches: list[list[str]] = []
        self.computed = 0

    def tokenize(self, questions: Sequence[str]) -> list[Tokens]:
        self.batches.append(list(questions))
        assert self.gate.wait(10)
        return super().tokenize(questions)

    def embed(self, tokens: Sequence[Tokens]) -> Vectors:
        self.computed += len(tokens)
        return super().embed(tokens)


class Counting:
    """What an observer was told."""

    def __init__(self) -> None:
        self.waits: list[float] = []
        self.sizes: list[int] = []
        self.known = 0

    def waited(self, seconds: float) -> None:
        self.waits.append(seconds)

    def encoded(self, questions: int, seconds: float) -> None:
        self.sizes.append(questions)

    def cached(self, questions: int) -> None:
        self.known += questions

    def searched(self, seconds: float) -> None:
        raise AssertionError("nothing is searched here")


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while not condition():  # noqa: ASYNC110
            await asyncio.sleep(0.01)


async def test_everyone_gets_the_vector_that_the_text_has_alone(bundle: Bundle) -> None:
    alone = Encoder(bundle, threads=1)
    first = Encoder(bundle, threads=1)
    batcher = Batcher([first, Encoder(bundle, like=first)])
    found = await asyncio.gather(*(batcher.encode([text]) for text in TEXTS))
    for text, (vector,) in zip(TEXTS, found, strict=True):
        np.testing.assert_allclose(vector, alone.encode_queries([text])[0], atol=1e-6)
    np.testing.assert_array_equal(await batcher.encode(TEXTS), np.concatenate(found))
    await batcher.close()


async def test_the_first_goes_at_once_and_the_others_gather(bundle: Bundle) -> None:
    encoder, told = Gated(bundle, open_gate=False), Counting()
    batcher = Batcher([encoder], told)
    tasks = [asyncio.create_task(batcher.encode([text])) for text in TEXTS]
    await until(lambda: batcher.waiting == len(TEXTS) - 1 and len(encoder.batches) == 1)
    encoder.gate.set()
    await asyncio.gather(*tasks)
    assert encoder.batches[0] == TEXTS[:1]
    assert max(map(len, encoder.batches)) == BATCH
    assert told.sizes == [len(batch) for batch in encoder.batches]
    assert len(told.waits) == len(TEXTS)
    await batcher.close()


async def test_questions_are_encoded_in_the_order_of_their_arrival(bundle: Bundle) -> None:
    encoder = Gated(bundle, open_gate=False)
    batcher = Batcher([encoder])
    mixed = [TEXTS[i // 3 + 20 * (i % 3)] for i in range(40)]  # short, middle, long, short, …
    tasks = [asyncio.create_task(batcher.encode([text])) for text in mixed]
    await until(lambda: batcher.waiting == len(mixed) - 1)
    encoder.gate.set()
    await asyncio.gather(*tasks)
    assert [text for batch in encoder.batches for text in batch] == mixed
    await batcher.close()


async def test_free_encoders_share_what_waits(bundle: Bundle) -> None:
    first = Gated(bundle, open_gate=False)
    second = Gated(bundle, open_gate=False)
    batcher = Batcher([first, second])
    tasks = [asyncio.create_task(batcher.encode([text])) for text in TEXTS[:8]]  # one each, and six that wait
    await until(lambda: batcher.waiting == 6 and bool(first.batches) and bool(second.batches))
    first.gate.set()
    await until(lambda: batcher.waiting == 0)
    second.gate.set()
    await asyncio.gather(*tasks)
    assert [len(batch) for batch in first.batches] == [1, 3, 2, 1]
    await batcher.close()


async def test_who_goes_away_takes_the_work_along(bundle: Bundle) -> None:
    encoder = Gated(bundle, open_gate=False)
    batcher = Batcher([encoder])
    stays = asyncio.create_task(batcher.encode(["gift"]))
    goes = [asyncio.create_task(batcher.encode([text])) for text in TEXTS]
    await until(lambda: batcher.waiting == len(TEXTS))
    for task in goes[1:]:
        task.cancel()
    await asyncio.sleep(0)
    encoder.gate.set()
    await asyncio.gather(stays, goes[0])
    await until(lambda: batcher.waiting == 0)
    assert encoder.batches == [["gift"], TEXTS[:1]]
    await batcher.close()


async def test_what_is_known_is_not_encoded_again(bundle: Bundle) -> None:
    encoder, told = Gated(bundle), Counting()
    batcher = Batcher([encoder], told)
    once = await batcher.encode(["Refund   my KEY", "gift"])
    again = await batcher.encode(["gift", "Refund   my KEY"])
    np.testing.assert_array_equal(once, again[::-1])
    assert (encoder.computed, told.known) == (2, 2)
    alike = await batcher.encode(["refund my key"])  # this tokenizer folds case and white space
    np.testing.assert_array_equal(alike[0], once[0])
    assert encoder.computed == 2
    await batcher.encode(["refund my keys"])
    assert encoder.computed == 3
    await batcher.close()


async def test_memory_is_bounded(bundle: Bundle, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batching, "CACHED", 2)
    encoder = Gated(bundle)
    batcher = Batcher([encoder])
    for text in ("gift", "wolf", "wolf", "key", "wolf", "gift"):  # when `gift` comes again, it is forgotten
        await batcher.encode([text])
    assert encoder.computed == 4
    await batcher.close()


async def test_an_error_reaches_those_who_asked_and_no_others(bundle: Bundle) -> None:
    class Failing(Gated):
        def embed(self, tokens: Sequence[Tokens]) -> Vectors:
            if len(self.batches) == 1:
                raise RuntimeError("once")
            return super().embed(tokens)

    encoder = Failing(bundle)
    batcher = Batcher([encoder])
    with pytest.raises(RuntimeError, match="once"):
        await batcher.encode(["gift"])
    assert (await batcher.encode(["gift"])).shape == (1, 64)
    await batcher.close()


async def test_closing_does_not_hold_up_the_event_loop(bundle: Bundle) -> None:
    encoder = Gated(bundle, open_gate=False)
    batcher = Batcher([encoder])
    asking = asyncio.create_task(batcher.encode(["refund"]))
    await until(lambda: bool(encoder.batches))
    closing = asyncio.create_task(batcher.close())
    await asyncio.sleep(0.05)
    assert not closing.done()
    encoder.gate.set()
    await closing
    assert (await asking).shape == (1, encoder.encoding.dimension)


async def test_work_follows_the_encoding_once_for_a_batch_and_each_gets_its_result(bundle: Bundle) -> None:
    encoder = Gated(bundle, open_gate=False)
    batcher = Batcher([encoder])
    calls: list[tuple[int, int]] = []

    def describe(texts: Sequence[str], vectors: Sequence[Vectors], limits: Sequence[int]) -> list[tuple[str, int, int]]:
        calls.append((len(texts), get_ident()))
        return [(text, vector.shape[0], limit) for text, vector, limit in zip(texts, vectors, limits, strict=True)]

    first = asyncio.create_task(batcher.encode(["gift"]))
    tasks = [asyncio.create_task(batcher.encode_then([text], describe, 20 + i)) for i, text in enumerate(TEXTS[:6])]
    await until(lambda: batcher.waiting == 6)
    encoder.gate.set()
    await first
    dimension = encoder.encoding.dimension
    assert [await task for task in tasks] == [[(text, dimension, 20 + i)] for i, text in enumerate(TEXTS[:6])]
    assert [count for count, _ in calls] == [6]
    assert calls[0][1] != get_ident()
    assert await batcher.encode_then(["gift"], describe, 1) == [("gift", dimension, 1)]
    assert encoder.computed == 7  # the vector of `gift` was known, and the work ran all the same
    await batcher.close()


async def test_a_batch_has_one_work_and_its_error_reaches_those_who_asked(bundle: Bundle) -> None:
    encoder = Gated(bundle, open_gate=False)
    batcher = Batcher([encoder])

    def fail(texts: Sequence[str], vectors: Sequence[Vectors], limits: Sequence[int]) -> list[None]:
        raise RuntimeError(f"{len(texts)} texts")

    first = asyncio.create_task(batcher.encode(["gift"]))
    failing = [asyncio.create_task(batcher.encode_then([text], fail, 1)) for text in TEXTS[:2]]
    fine = [asyncio.create_task(batcher.encode([text])) for text in TEXTS[2:4]]
    await until(lambda: batcher.waiting == 4)
    encoder.gate.set()
    await asyncio.gather(first, *fine)
    for task in failing:
        with pytest.raises(RuntimeError, match="2 texts"):
            await task
    await batcher.close()
