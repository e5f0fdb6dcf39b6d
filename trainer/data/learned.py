"""What a store has learned from its users: entries with accepted phrasings and negatives, feedback, golden questions.

A run keeps a copy of it beside its other files, so that it can be resumed and read later whatever the store holds then.
"""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from app import durable
from app.encoding.bundle import HeldOut
from app.errors import InputError
from app.golden.questions import GoldenStore
from app.knowledge.entry import Entry
from app.knowledge.files import read_entries, write_entries
from app.knowledge.queries import Query, read_queries
from app.knowledge.store import Store
from app.questions.feedback import Feedbacks, FeedbackSelection
from app.settings import Settings

FOLDER, ENTRIES, FEEDBACK, GOLDEN = "learned", "faq.jsonl", "feedback.jsonl", "golden.jsonl"


@dataclass(frozen=True)
class Learned:
    """The entries that a release of now would hold, and the questions about them whose right answer is known.

    `feedback` is trained on, but for the share of labelled questions that is held out; `golden` is never trained on.
    """

    entries: list[Entry]
    feedback: list[Query]
    golden: list[Query]

    @property
    def negatives(self) -> list[tuple[str, str]]:
        """Each negative of an entry, with the answer that it must not get."""
        return [(negative, entry.plain_answer) for entry in self.entries for negative in entry.negatives]

    @property
    def heldout(self) -> list[HeldOut]:
        """The golden questions, all of which are held out."""
        answers = {entry.id: entry.plain_answer for entry in self.entries}
        return [HeldOut(query.question, query.faq_id, answers.get(query.faq_id or "")) for query in self.golden]

    def counts(self) -> dict[str, int]:
        """How many there are of each kind, for the report."""
        return {
            "entries": len(self.entries),
            "phrasings": sum(len(entry.phrasings) for entry in self.entries),
            "negatives": len(self.negatives),
            "feedback": len(self.feedback),
            "golden": sum(not query.unanswerable for query in self.golden),
            "golden_unanswerable": sum(query.unanswerable for query in self.golden),
        }

    def write(self, directory: Path) -> None:
        """Keep a copy in the run's directory."""
        folder = directory / FOLDER
        folder.mkdir(exist_ok=True)
        write_entries(self.entries, folder / ENTRIES)
        for name, queries in ((FEEDBACK, self.feedback), (GOLDEN, self.golden)):
            rows = ({"question": query.question, "faq_id": query.faq_id} for query in queries)
            durable.write(folder / name, "".join(f"{json.dumps(row, ensure_ascii=False)}\n" for row in rows))

    @classmethod
    def read(cls, directory: Path) -> "Learned":
        """The copy in the run's directory. Raises InputError where it is missing, FileError where it is damaged."""
        folder = directory / FOLDER
        entries = read_entries(folder / ENTRIES).entries
        return cls(entries, *(_queries(folder / name) for name in (FEEDBACK, GOLDEN)))


def _queries(path: Path) -> list[Query]:
    return read_queries(path) if path.is_file() and path.stat().st_size else []


def learned(database: str) -> Learned:
    """What the store holds at a SQLAlchemy URL, or in a FAQ_HOME. Raises InputError for a store without live entries,
    SettingsError, StoreError."""
    store = Store.open(_url(database))
    try:
        entries = list(store.published())
        if not entries:
            raise InputError(f"{database} holds no live entries. Import some: `python -m app import FILE`.", "database")
        golden = [Query(item.question, item.faq_id) for item in GoldenStore(store.database).all()]
        feedback = _feedback(Feedbacks(store.database))
    finally:
        store.close()
    ids = {entry.id for entry in entries}
    secret = {query.question for query in golden}
    usable = [query for query in feedback if query.question not in secret]
    return Learned(entries, _about(usable, ids), _about(golden, ids))


def _url(database: str) -> str:
    """The URL; that of the store in a directory, which must have one. Raises InputError."""
    if "://" in database:
        return database
    settings = Settings(home=Path(database), database_url=None)
    if not (settings.home / "knowledge.db").is_file():
        raise InputError(f"{database} is neither a database URL nor a FAQ_HOME with a knowledge.db in it.", "database")
    return settings.sqlalchemy_url


def _feedback(feedbacks: Feedbacks) -> list[Query]:
    """The questions whose right entry a user has named, or confirmed; of one text, the latest feedback counts."""
    labelled: dict[str, Query] = {}
    for given in feedbacks.stream(FeedbackSelection()):
        if given.question and given.right_entry:
            labelled.setdefault(given.question, Query(given.question, given.right_entry))
    return list(labelled.values())


def _about(queries: Iterable[Query], ids: set[str]) -> list[Query]:
    """The queries without those about entries that are no longer live."""
    return [query for query in queries if query.faq_id is None or query.faq_id in ids]
