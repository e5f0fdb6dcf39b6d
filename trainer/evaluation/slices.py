"""Figures of slices of the queries, and single queries for display."""

from collections import Counter, defaultdict

from app.errors import InputError
from app.knowledge.entry import Entry
from trainer.evaluation.figures import Figures, Outcomes, with_intervals

NONE, UNANSWERABLE = "(none)", "(unanswerable)"
TEXT = 160  # characters of an answer to show


def slices(outcomes: Outcomes, field: str) -> dict[str, Figures]:
    """The figures with intervals by each value of a field, the value with most queries first.

    The field is a tag of the queries or, if no query has it, of the metadata of the right entry. A query with a list
    of values counts for each of them. Raises InputError for an unknown field, with the names of the known ones.
    """
    values, unknown = [_values(query.tags.get(field)) for query in outcomes.queries], NONE
    if not any(values):
        right = [outcomes.entry(i) for i in range(len(values))]
        values = [_values(entry.metadata.get(field)) if entry else [] for entry in right]
        unknown = UNANSWERABLE
    if not any(values):
        raise InputError(f"No query has the tag `{field}` and no entry has the field. {_fields(outcomes)}", "by")
    groups: dict[str, list[int]] = defaultdict(list)
    for i, of_query in enumerate(values):
        for value in of_query or [NONE if outcomes.answerable[i] else unknown]:
            groups[value].append(i)
    ordered = sorted(groups.items(), key=lambda group: (-len(group[1]), group[0]))
    return {value: with_intervals(outcomes.subset(rows)) for value, rows in ordered}


def worst(outcomes: Outcomes, count: int) -> list[Figures]:
    """The `count` questions whose right entry ranks lowest, lowest first, with the entries that rank best instead."""
    wrong = [i for i, places in enumerate(outcomes.ranked) if len(places) and places[0] > 1]
    return [shown(outcomes, i) for i in sorted(wrong, key=lambda i: -int(outcomes.ranked[i][0]))[:count]]


def shown(outcomes: Outcomes, query: int) -> Figures:
    """One query for display: its text, the right entry and its rank, and the best entries."""
    right, places = outcomes.entry(query), outcomes.ranked[query]
    query_row: Figures = {
        "question": outcomes.queries[query].question,
        "right": label(right) if right else None,
        "rank": int(places[0]) if len(places) else None,
        "top": [label(outcomes.entries[i]) for i in outcomes.top[query]],
    }
    if outcomes.confidence is not None:
        query_row |= {"confidence": float(outcomes.confidence[query]), "refused": not bool(outcomes.answers[query])}
    return query_row


def label(entry: Entry) -> Figures:
    """The id of an entry and its question, or the beginning of its answer."""
    return {"id": entry.id, "text": entry.question or entry.answer[:TEXT]}


def _values(value: object) -> list[str]:
    if value is None or value == "":
        return []
    return [str(item) for item in value] if isinstance(value, list) else [str(value)]


def _fields(outcomes: Outcomes) -> str:
    tags = Counter(name for query in outcomes.queries for name in query.tags)
    fields = Counter(name for entry in outcomes.entries for name in entry.metadata)
    known = [f"`{name}`" for name, _ in (tags + fields).most_common(12)]
    return f"Known fields: {', '.join(known)}." if known else "The queries have no tags and the entries no metadata."
