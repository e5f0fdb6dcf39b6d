"""What an index stores of each entry: its payload."""

from collections.abc import Iterable, Mapping
from typing import Any

from app.knowledge.entry import Entry


def payload_of(entry: Entry, questions: Mapping[str, str] | None = None) -> dict[str, Any]:
    """All fields that an answer needs, so that answers come from the release and not from the store.

    `questions`: the question of every entry of the release, by id; follow-ups without one are left out. `plain_answer`
    is present only if it differs from the answer, `follow_ups` only if there are any.
    """
    plain = entry.plain_answer
    payload = {
        "id": entry.id,
        "question": entry.question,
        "phrasings": list(entry.phrasings),
        "negatives": list(entry.negatives),
        "answer": entry.answer,
        "metadata": entry.metadata,
        **({} if plain == entry.answer else {"plain_answer": plain}),
    }
    return with_follow_ups(payload, entry.follow_ups, questions or {})


def with_follow_ups(payload: dict[str, Any], ids: Iterable[str], questions: Mapping[str, str]) -> dict[str, Any]:
    """The payload with the follow-ups of these ids that have a question; the same object where none has."""
    follow_ups = [{"faq_id": name, "question": questions[name]} for name in ids if name in questions]
    return {**payload, "follow_ups": follow_ups} if follow_ups else payload
