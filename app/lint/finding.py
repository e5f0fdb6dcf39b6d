"""A finding of the lint: what is wrong, which entries it concerns, and what to do."""

from dataclasses import asdict, dataclass
from hashlib import blake2b
from typing import Any, Literal, get_args

Severity = Literal["error", "warning", "info"]
Kind = Literal[
    "different_answers",  # one question, different answers
    "excluded_phrasing",  # an entry whose negatives hold its own question
    "never_valid",  # live, but its validity ended before it was added
    "dead_follow_up",  # a follow-up that leads to no entry that answers
    "broken_link",
    "expired",  # live, but its validity has ended
    "duplicate_questions",  # entries that ask nearly the same
    "beyond_encoder",  # a text whose end the encoder does not read
    "duplicate_answers",  # entries that answer nearly the same
    "finds_other",  # a phrasing that is nearer to another entry than to its own
]

KINDS: tuple[Kind, ...] = get_args(Kind)  # the most important first: the order of a report
SEVERITIES: dict[Kind, Severity] = {
    "different_answers": "error",
    "excluded_phrasing": "error",
    "never_valid": "error",
    "dead_follow_up": "warning",
    "broken_link": "warning",
    "expired": "warning",
    "duplicate_questions": "warning",
    "beyond_encoder": "warning",
    "duplicate_answers": "info",
    "finds_other": "info",
}
ADVICE: dict[Kind, str] = {
    "different_answers": "Keep the question in the entry that answers it best and remove it from the others, or make "
    "the answers the same. Until then a person who asks it gets all of them to choose from.",
    "excluded_phrasing": "Remove the text either from the questions or from the negatives of the entry.",
    "never_valid": "Correct `valid_until`, or archive the entry.",
    "dead_follow_up": "Remove the follow-up, or publish the entry that it names with a question.",
    "broken_link": "Correct the link: a full address that begins with `https://`, `http://` or `mailto:`.",
    "expired": "Archive the entry, or extend `valid_until`.",
    "duplicate_questions": "Merge the entries: keep one, and add the questions of the others to its alternatives. "
    "If they are about different things, name the difference in each question.",
    "beyond_encoder": "Shorten the text, or split the entry: the rest of the text is found only by its words.",
    "duplicate_answers": "If the questions mean the same, make them one entry with alternatives.",
    "finds_other": "Move the question to the other entry, or word it so that it fits its own entry.",
}
EXCERPT = 120  # characters of a text that a finding shows
NAMED = 10  # entries that a finding names; `total` counts all


@dataclass(frozen=True, slots=True)
class Mention:
    """An entry that a finding concerns, and the beginning of the text that it is about."""

    id: str
    text: str


@dataclass(frozen=True, slots=True)
class Finding:
    """One finding. `similarity`: the cosine of the two texts that are most alike; None where none was computed."""

    kind: Kind
    message: str
    entries: tuple[Mention, ...]  # up to NAMED
    total: int  # entries that it concerns
    similarity: float | None = None

    @property
    def severity(self) -> Severity:
        """How much it harms those who ask."""
        return SEVERITIES[self.kind]

    @property
    def advice(self) -> str:
        """What to do."""
        return ADVICE[self.kind]

    @property
    def key(self) -> str:
        """The place of the finding in a report; findings sort by it. It stays the same while the finding does."""
        content = "\0".join((self.message, *(f"{mention.id}\0{mention.text}" for mention in self.entries)))
        alike = 100 if self.similarity is None else max(0, round(100 - 100 * self.similarity))
        return f"{KINDS.index(self.kind):02}-{alike:03}-{blake2b(content.encode(), digest_size=6).hexdigest()}"

    def document(self) -> dict[str, Any]:
        """The finding in JSON values."""
        return {
            "kind": self.kind,
            "severity": self.severity,
            "message": self.message,
            "advice": self.advice,
            "entries": [asdict(mention) for mention in self.entries],
            "total": self.total,
            "similarity": self.similarity,
        }

    @classmethod
    def of(cls, document: dict[str, Any]) -> "Finding":
        """The inverse of `document`."""
        entries = tuple(Mention(**mention) for mention in document["entries"])
        return cls(document["kind"], document["message"], entries, document["total"], document["similarity"])


def mention(entry_id: str, text: str) -> Mention:
    """An entry with the beginning of `text`, on one line."""
    line = " ".join(text.split())
    return Mention(entry_id, line if len(line) <= EXCERPT else f"{line[: EXCERPT - 1]}…")


def finding(kind: Kind, message: str, entries: list[Mention], similarity: float | None = None) -> Finding:
    """A finding that names the first NAMED entries."""
    rounded = None if similarity is None else round(min(1.0, similarity), 3)
    return Finding(kind, message, tuple(entries[:NAMED]), len(entries), rounded)
