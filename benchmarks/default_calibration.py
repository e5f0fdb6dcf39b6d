"""Where the trainer's default ranking comes from: the base model on a mix of FAQs that it was never trained on.

    python -m benchmarks.default_calibration [--shared DIR]

Prints the constants of `trainer.calibrate.DEFAULTS`, fitted on three sources together: the cloud FAQ (answers without
phrasings), CLINC150 (entries cut to a few phrasings), and the project's own sample FAQ (its spare phrasings). The first
and the last are also asked questions that belong elsewhere; CLINC150 has such questions of its own.
"""

import argparse
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from app.knowledge.entry import Entry
from app.knowledge.files import read_entries
from app.knowledge.queries import Query, read_queries
from app.retrieval.bundle import HeldOut
from app.retrieval.calibrating import Scored, fit
from app.retrieval.decision import measured
from app.retrieval.encoder import Encoder
from app.retrieval.heldout import Outcome
from trainer.calibrate import DEFAULTS, LEXICAL_WEIGHTS, OFFER_PRECISION, PRECISION, WEIGHTS, Stacked
from trainer.data import order, training_set
from trainer.evaluation.served import served
from trainer.evaluation.tables import base_bundle
from trainer.model import DEFAULT_BASE

QUESTIONS = 400  # of each source
PHRASINGS = 4  # an ordinary FAQ's
STRANGERS = 60  # questions from elsewhere


@dataclass(frozen=True)
class Source:
    """Entries, and questions about them."""

    name: str
    entries: list[Entry]
    questions: list[HeldOut]


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0] if __doc__ else None)
    parser.add_argument("--shared", type=Path, default=Path(os.environ.get("FAQ_SHARED_DATA", "../shared/data")))
    options = parser.parse_args()
    found: dict[str, list[Outcome]] = {}
    with base_bundle(DEFAULT_BASE) as bundle:
        encoder = Encoder(bundle)
        for source in (cloud(options.shared), clinc(options.shared), sample(options.shared)):
            with served(bundle, source.entries, encoder) as index:
                found[source.name] = index.ask_heldout(source.questions)
            print(source.name, len(source.entries), "entries", len(found[source.name]), "questions")
    weigh(found)
    report(list(found.values()))


def weigh(found: dict[str, list[Outcome]]) -> None:
    """Print the MRR of every weight of phrasings and of words, source by source."""
    stacked = {name: Stacked([one for one in some if one.answerable]) for name, some in found.items()}
    for weight in WEIGHTS:
        for lexical in LEXICAL_WEIGHTS:
            print(
                weight,
                lexical,
                {name: round(float(one.gains(weight, lexical).mean()), 4) for name, one in stacked.items()},
            )


def report(sources: Sequence[Sequence[Outcome]]) -> None:
    """Print the calibration that fits all sources together, with the default weights."""
    questions = [Scored.of(outcome, DEFAULTS) for outcomes in sources for outcome in outcomes]
    fitted = fit(questions, PRECISION, OFFER_PRECISION)
    if fitted is None:
        raise SystemExit("The scores do not tell right answers from wrong ones.")
    print(fitted.calibration)
    print(measured(fitted.cases))


def cloud(shared: Path) -> Source:
    """Answers alone, a sample of questions held out."""
    entries = some(read_entries(shared / "cloud_faq_train.jsonl").entries, 1500)
    passages = [Entry(id=entry.id, answer=entry.answer) for entry in entries]
    asked = [HeldOut(entry.question, entry.id) for entry in entries[:QUESTIONS]]
    strangers = read_queries(shared / "clinc150_val_queries.jsonl")
    return Source("cloud", passages, asked + _strangers([one.question for one in strangers]))


def clinc(shared: Path) -> Source:
    """Intents with a few phrasings each, one more of them in the place of the answer, which is only a name here."""
    full = read_entries(shared / "clinc150.jsonl").entries
    entries = [
        entry.model_copy(update={"answer": entry.alternatives[-1], "alternatives": entry.alternatives[: PHRASINGS - 1]})
        for entry in full
    ]
    queries = read_queries(shared / "clinc150_val_queries.jsonl")
    answerable = sorted((one for one in queries if not one.unanswerable), key=_by_text)[:QUESTIONS]
    return Source("clinc150", entries, [_held(one) for one in (*answerable, *(q for q in queries if q.unanswerable))])


def sample(shared: Path) -> Source:
    """The project's own FAQ, one phrasing of each entry asked."""
    entries = read_entries(Path("data/faq.jsonl")).entries
    strangers = read_entries(shared / "cloud_faq_train.jsonl").entries
    asked = list(training_set(entries).heldout)[:QUESTIONS]
    return Source("sample", entries, asked + _strangers([one.question for one in strangers]))


def _strangers(questions: Sequence[str]) -> list[HeldOut]:
    return [HeldOut(text, None) for text in sorted(questions, key=lambda text: order(text, 1))[:STRANGERS]]


def some(entries: Sequence[Entry], count: int) -> list[Entry]:
    """A sample that stays the same."""
    return sorted(entries, key=lambda entry: order(entry.id, 0))[:count]


def _by_text(query: Query) -> str:
    return order(query.question, 0)


def _held(query: Query) -> HeldOut:
    return HeldOut(query.question, query.faq_id)


if __name__ == "__main__":
    main()
