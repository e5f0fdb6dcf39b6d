"""What is wrong with one entry: links, validity, follow-ups, and negatives that exclude its own questions."""

from collections.abc import Iterator
from datetime import datetime
from typing import Literal, NamedTuple

from app.knowledge.entry import Entry
from app.knowledge.publication import moment
from app.text.links import bad_links
from app.text.normalize import normalize

FlawKind = Literal["broken_link", "never_valid", "expired", "excluded_phrasing"]


class Flaw(NamedTuple):
    """One mistake: what is wrong, and the text that it is about."""

    kind: FlawKind
    message: str
    text: str


def flaws_of(entry: Entry, now: datetime, created_at: datetime | None = None) -> Iterator[Flaw]:
    """The mistakes of an entry. `created_at`: when the store got the entry; None for one that it gets now."""
    for link in bad_links(entry.answer):
        yield Flaw("broken_link", f"A link of the answer does not work: {link.reason}.", link.text)
    if entry.state == "live" and entry.valid_until and entry.valid_until <= moment(now):
        if entry.valid_until <= moment(created_at or now):
            message = f"The entry ended at {entry.valid_until}, before it was added, so it has never answered."
            yield Flaw("never_valid", message, entry.question)
        else:
            yield Flaw(
                "expired", f"The entry is live, but no longer answers since {entry.valid_until}.", entry.question
            )
    negatives = {normalize(negative) for negative in entry.negatives}
    for phrasing in entry.phrasings:
        if normalize(phrasing) in negatives:
            message = "A question of the entry is also one of its negatives, so the entry never answers it."
            yield Flaw("excluded_phrasing", message, phrasing)


def unfit_follow_up(entry: Entry | None, now: datetime) -> str | None:
    """Why an entry is not shown as a follow-up; None if it is. `entry`: None if the store has none of that id."""
    if entry is None:
        return "names no entry"
    if not entry.question:
        return "names a passage, which has no question"
    ends, begins, at = entry.valid_until, entry.valid_from, moment(now)
    if entry.state != "live" or (ends and ends <= at) or (begins and begins > at):
        return "names an entry that does not answer now"
    return None
