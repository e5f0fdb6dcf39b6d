"""One release on a Qdrant server, open for reading; `index.server` writes and lists them."""

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
from qdrant_client import AsyncQdrantClient, models
from qdrant_client.common.client_exceptions import QdrantException
from qdrant_client.http.exceptions import ApiException, UnexpectedResponse

from app.errors import IndexUnavailable, NotFound
from app.index.candidates import NO_MATCH, Candidate, Question
from app.index.filters import Dialect, Filter, check
from app.index.lookup import QuestionKeys, keys_of, match_of, question_keys
from app.index.protocol import ANSWER, BM25, KEYS, NEGATIVES, QUESTIONS, Calibration, IndexRecord, own_payload
from app.index.words import WordTokenizer

DIALECT = Dialect(models.Filter, models.FieldCondition, models.MatchAny, models.Range)


class ServerIndex:
    """A collection, for reading; see `Index`."""

    def __init__(self, client: AsyncQdrantClient, record: IndexRecord, calibration: Calibration | None) -> None:
        self.record = record
        self.calibration = calibration
        self._client = client
        self._tokenizer = WordTokenizer(record.language, record.average_length)

    async def search(self, question: Question, limit: int, where: Filter) -> list[Candidate]:
        """As `Index.search`: one batch of queries for ids, then one that reads and scores the entries found."""
        check(where, self.record.fields)
        vector, condition, wanted = [question.vector.tolist()], DIALECT.translate(where), question_keys(question)
        words = models.SparseVector(**self._tokenizer.question(question.text)._asdict())
        queries: dict[str, Any] = {ANSWER: vector, QUESTIONS: vector, **({BM25: words} if words.indices else {})}
        requests = [
            models.QueryRequest(query=query, using=name, limit=limit, filter=condition)
            for name, query in queries.items()
        ]
        for keys in (wanted.phrasings, wanted.identifiers) if self.record.common_identifiers is not None else ():
            if keys:
                among = _holding(keys, condition)
                requests.append(models.QueryRequest(query=vector, using=ANSWER, limit=limit, filter=among))
        with qdrant(self.record.name):
            responses = await self._client.query_batch_points(self.record.name, requests)
            ids = sorted({int(point.id) for response in responses for point in response.points})
            return await self._read(ids, vector, words, wanted) if ids else []

    async def count(self) -> int:
        """As `Index.count`."""
        with qdrant(self.record.name):
            return (await self._client.count(self.record.name, exact=True)).count

    async def sample(self, limit: int) -> list[Candidate]:
        """As `Index.sample`."""
        ids = self.record.spread(limit)
        with qdrant(self.record.name):
            records = await self._client.retrieve(self.record.name, ids, with_payload=True, with_vectors=True)
        return [self._candidate(record.payload, record.vector) for record in records]

    async def close(self) -> None:
        """As `Index.close`. Does nothing: the connection belongs to the store."""

    async def _read(
        self,
        ids: list[int],
        vector: Any,  # noqa: ANN401 - as the client has it
        words: models.SparseVector,
        wanted: QuestionKeys,
    ) -> list[Candidate]:
        """The entries with these ids. A query for the nearest answers among them returns all: each has an answer."""
        among = models.Filter(must=[models.HasIdCondition(has_id=list(ids))])
        every = models.QueryRequest(
            query=vector, using=ANSWER, limit=len(ids), filter=among, with_payload=True, with_vector=True
        )
        scored = models.QueryRequest(query=words, using=BM25, limit=len(ids), filter=among)
        read, *by_words = await self._client.query_batch_points(
            self.record.name, [every, *([scored] if words.indices else [])]
        )
        lexical = {point.id: point.score for response in by_words for point in response.points}
        return [
            self._candidate(point.payload, point.vector, lexical.get(point.id, 0.0), wanted) for point in read.points
        ]

    def _candidate(
        self,
        payload: Any,  # noqa: ANN401 - as the client has it
        vectors: Any,  # noqa: ANN401 - as the client has it
        lexical: float = 0.0,
        wanted: QuestionKeys | None = None,
    ) -> Candidate:
        answer, questions, negatives = (
            np.asarray(vectors.get(name, ()), dtype=np.float32).reshape(-1, self.record.dimension)
            for name in (ANSWER, QUESTIONS, NEGATIVES)
        )
        own = own_payload(payload)
        match = NO_MATCH if wanted is None else match_of(wanted, payload[KEYS] if KEYS in payload else keys_of(own))
        return Candidate(payload["id"], own, answer, questions, negatives, lexical, match)


def _holding(keys: Collection[str], condition: models.Filter | None) -> models.Filter:
    """A filter for the entries that have any of the keys and meet the condition."""
    held = models.FieldCondition(key=KEYS, match=models.MatchAny(any=list(keys)))
    return models.Filter(must=[held, *([condition] if condition else [])])


@contextmanager
def qdrant(what: str) -> Iterator[None]:
    """Raises NotFound or IndexUnavailable, naming `what`, in place of the client's errors."""
    try:
        yield
    except UnexpectedResponse as error:
        if error.status_code == 404:
            raise NotFound(f"Qdrant has no collection {what}.") from error
        raise IndexUnavailable(
            f"Qdrant refused a request for {what}: {error.status_code} {error.reason_phrase}"
        ) from error
    except (ApiException, QdrantException, OSError, ValueError) as error:
        reason = str(error).partition("\n")[0][:200]  # the client quotes the whole of a reply that it cannot parse
        raise IndexUnavailable(f"Qdrant cannot be used for {what}: {reason}") from error
