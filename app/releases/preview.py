"""What the service would answer if an entry were saved. Nothing is stored."""

import asyncio
from collections.abc import Sequence

from app.answering import Answerer
from app.index.candidates import Candidate
from app.index.filters import Filter
from app.knowledge.entry import Entry
from app.knowledge.publication import answers_at
from app.knowledge.tables import utc_now
from app.releases.payloads import payload_of
from app.releases.publishing import candidates_of
from app.replies import Reply


async def preview(
    answerer: Answerer,
    entry: Entry,
    questions: Sequence[str],
    top_k: int = 3,
    min_confidence: float | None = None,
    where: Filter | None = None,
) -> list[Reply]:
    """The reply to each question from the answerer's release with this entry, as `Answerer.ask`.

    An entry that would not answer, such as a draft, is taken out. Raises IndexUnavailable for a release of a version
    that knew no increments.
    """
    removed = [] if answers_at(entry.state, entry.valid_from, entry.valid_until, utc_now()) else [entry.id]
    entries = [] if removed else [await _candidate(answerer, entry)]
    index = await answerer.index.preview(entries, removed)
    return await answerer.over(index).ask(questions, top_k, min_confidence, where)


async def _candidate(answerer: Answerer, entry: Entry) -> Candidate:
    followed = await answerer.index.entries(entry.follow_ups) if entry.follow_ups else []
    questions = {candidate.id: candidate.payload["question"] for candidate in followed}

    def encode() -> list[Candidate]:
        return candidates_of(answerer.another_encoder(), [(payload_of(entry, questions), entry.digest)])

    (candidate,) = await asyncio.to_thread(encode)
    return candidate
