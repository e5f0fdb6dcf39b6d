"""Training on what a store has learned: entries, feedback, negatives, and golden questions, never trained on."""

from contextlib import closing
from pathlib import Path

import pytest

from app.errors import InputError
from app.golden.questions import GoldenStore, NewQuestion
from app.knowledge.entry import Entry
from app.knowledge.store import Store
from app.questions.asked import DAY_S
from app.questions.feedback import Feedbacks, Opinion, Subject
from app.questions.figures import Period
from app.questions.log import QuestionLog
from app.questions.reviewing import Reviews
from app.text.normalize import normalize
from tests.questions.made import NOON, asked
from tests.trainer.conftest import faq
from trainer import fit
from trainer.data.learned import Learned, learned
from trainer.recipes import recipe_named

ENTRIES = [*faq(40, 4), Entry(id="draft", question="Not yet?", answer="No.", state="draft")]
WANTED = ENTRIES[0].id
GOLDEN = "please cancel that parcel of mine"


@pytest.fixture(params=["sqlite", "postgresql"])
def database(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A store with entries, one of them with a negative, feedback, and golden questions; a FAQ_HOME or a URL."""
    home = tmp_path / "home"
    url = f"sqlite:///{home / 'knowledge.db'}"
    if request.param == "postgresql":
        url = str(request.getfixturevalue("postgres_url"))
    with closing(Store.open(url)) as store:
        guarded = ENTRIES[1].model_copy(update={"negatives": ("where is my tracker?",)})
        store.import_entries([ENTRIES[0], guarded, *ENTRIES[2:]], "replace")
        store.import_entries([Entry(id="gone", question="Gone?", answer="Gone.")], "append")
        golden = [(GOLDEN, WANTED), (ENTRIES[0].alternatives[0], WANTED), ("wolf?", None), ("Is it gone?", "gone")]
        GoldenStore(store.database).take(NewQuestion(*pair) for pair in golden)
        give(store, 1, "stop the parcel", helpful=False, correct=WANTED)
        give(store, 2, "stop the parcel", helpful=True, faq_id=ENTRIES[3].id)
        give(store, 3, "useless", helpful=False, faq_id=WANTED)
        dismiss(store, "turnips?", ENTRIES[5].alternatives[0])
        give(store, 4, GOLDEN, helpful=True, faq_id=WANTED)
        store.delete("gone")
    return url if request.param == "postgresql" else str(home)


def give(
    store: Store, number: int, question: str, helpful: bool, faq_id: str | None = None, correct: str | None = None
) -> None:
    """Feedback on the answer `faq_id`, at the second `number`."""
    subject = Subject(f"{number:032x}", "answered", "faq-a-b", question, None, None)
    Feedbacks(store.database).give(subject, Opinion(helpful, faq_id, correct_faq_id=correct), float(number))


def dismiss(store: Store, *questions: str) -> None:
    """Log questions that found no answer, and dismiss them."""
    log, reviews = QuestionLog(store.database, "full"), Reviews(store.database)
    log.write([asked(number, text, "no_answer", ()) for number, text in enumerate(questions)])
    reviews.finish(reviews.failed(Period(NOON - DAY_S, NOON + DAY_S)), "dismiss", "ann", NOON)


def test_every_kind_is_read_counted_and_used_as_it_should(database: str, tmp_path: Path) -> None:
    store = learned(database)
    assert store.counts() == {
        "entries": 40,
        "phrasings": 160,
        "negatives": 1,
        "feedback": 1,
        "dismissed": 1,
        "golden": 2,
        "golden_unanswerable": 1,
    }
    assert [(query.question, query.faq_id) for query in store.feedback] == [("stop the parcel", ENTRIES[3].id)]
    training = fit.inputs_of(store, recipe_named("default")).training
    held = {question.question: question.faq_id for question in training.heldout}
    assert (held[GOLDEN], held[ENTRIES[0].alternatives[0]], held["wolf?"]) == (WANTED, WANTED, None)
    assert held["turnips?"] is None
    assert [query.question for query in store.dismissed] == ["turnips?"]
    trained = {normalize(text) for pair in training.pairs for text in pair[:2]}
    assert normalize(ENTRIES[0].alternatives[0]) not in trained
    assert normalize("stop the parcel") in trained
    assert training.known_negatives == (("where is my tracker?", ENTRIES[1].answer),)
    store.write(tmp_path)
    copy = Learned.read(tmp_path)
    assert fit.inputs_of(copy, recipe_named("default")).training.sha256 == training.sha256


def test_what_cannot_be_learned_from_is_refused_in_words(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"neither a database URL nor a FAQ_HOME"):
        learned(str(tmp_path))
    with closing(Store.open(f"sqlite:///{tmp_path / 'knowledge.db'}")):
        pass
    with pytest.raises(InputError, match="no live entries"):
        learned(str(tmp_path))
    with pytest.raises(InputError, match="nothing to train on"):
        fit.start(None, None, "base", recipe_named("default"), tmp_path / "run")
    with pytest.raises(InputError, match="does not train on a FAQ"):
        fit.inputs_of(Learned(ENTRIES, [], [], []), recipe_named("pairs"))
