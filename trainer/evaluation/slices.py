"""Figures of some of the queries, and single questions as a person wants to see them. Knows no model."""

from collections import Counter, defaultdict

from app.errors import InputError
from app.knowledge.entry import Entry
from trainer.evaluation.figures import Figures, Outcomes, with_intervals

NONE, UNANSWERABLE = "(none)", "(unanswerable)"
TEXT = 160  # characters of an answer that are shown


def slices(outcomes: Outcomes, field: str) -> dict[str, Figures]:
    """The figures by the values of a field, most queries first, each with the interval of its headline figures.

    The field is a tag of the queries or, where no query has it, metadata of the entry that is right. A query whose
    field is a list counts for each value. Raises InputError, naming the fields there are, for one that nothing has.
    """
    values, unknown = [_values(query.tags.get(field)) for query in outcomes.queries], NONE
    if not any(values):
        found = [outcomes.entry(i) for i in range(len(values))]
        values = [_values(entry.metadata.get(field)) if entry else [] for entry in found]
        unknown = UNANSWERABLE
    if not any(values):
        raise InputError(f"No query is tagged with `{field}` and no entry has it. {_fields(outcomes)}", "by")
    groups: dict[str, list[int]] = defaultdict(list)
    for i, some in enumerate(values):
        for value in some or [NONE if outcomes.answerable[i] else unknown]:
            groups[value].append(i)
    ordered = sorted(groups.items(), key=lambda group: (-len(group[1]), group[0]))
    return {value: with_intervals(outcomes.subset(rows)) for value, rows in ordered}


def worst(outcomes: Outcomes, count: int) -> list[Figures]:
    """The answerable questions whose right entry stands lowest, lowest first, with what was ranked best instead."""
    wrong = [i for i, places in enumerate(outcomes.ranked) if len(places) and places[0] > 1]
    return [shown(outcomes, i) for i in sorted(wrong, key=lambda i: -int(outcomes.ranked[i][0]))[:count]]


def shown(outcomes: Outcomes, query: int) -> Figures:
    """One query as a person wants to see it: what was asked, what is right and where it stands, what came first."""
    right, places = outcomes.entry(query), outcomes.ranked[query]
    found: Figures = {
        "question": outcomes.queries[query].question,
        "right": label(right) if right else None,
        "rank": int(places[0]) if len(places) else None,
        "top": [label(outcomes.entries[i]) for i in outcomes.top[query]],
    }
    if outcomes.confidence is not None:
        found |= {"confidence": float(outcomes.confidence[query]), "refused": not bool(outcomes.answers[query])}
    return found


def label(entry: Entry) -> Figures:
    """An entry in brief."""
    return {"id": entry.id, "text": entry.question or entry.answer[:TEXT]}


def _values(value: object) -> list[str]:
    if value is None or value == "":
        return []
    return [str(one) for one in value] if isinstance(value, list) else [str(value)]


def _fields(outcomes: Outcomes) -> str:
    tags = Counter(name for query in outcomes.queries for name in query.tags)
    fields = Counter(name for entry in outcomes.entries for name in entry.metadata)
    known = [f"`{name}`" for name, _ in (tags + fields).most_common(12)]
    return f"There are: {', '.join(known)}." if known else "There are no tags and no metadata at all."
