"""What an import tells: what is new, what differs and in which fields, what the file lacks, what it leaves behind."""

import pytest

from app.knowledge.entry import Entry
from app.knowledge.intake import LISTED, Change, KeptOld, Mode, differing
from app.knowledge.store import Store

GAMES = Entry(question="Do you lend games?", answer="No.", metadata={"lang": "en"})
MAPS = Entry(id="maps", question="Do you lend maps?", answer="Yes.", alternatives=("Maps?",))
PASSAGE = Entry(id="passage", answer="We open at nine.")
EDITED = Entry(question="DO YOU LEND GAMES", answer="Only board games.")


@pytest.fixture
def filled(store: Store) -> Store:
    store.import_entries([GAMES, MAPS, PASSAGE], "append")
    return store


def test_a_changed_entry_is_told_with_the_fields_that_differ(filled: Store) -> None:
    changed = MAPS.model_copy(update={"answer": "No.", "alternatives": (), "metadata": {"lang": "de"}})
    report = filled.import_entries([changed], "append")
    assert report.updated_entries == [
        Change("maps", "Do you lend maps?", ("answer", "alternatives", "metadata.lang")),
    ]


def test_true_and_1_in_metadata_differ() -> None:
    old, new = Entry(answer="a", metadata={"n": 1}), Entry(answer="a", metadata={"n": True})
    assert differing(old, new) == ("metadata.n",)


@pytest.mark.parametrize("mode", ["append", "replace"])
def test_what_the_file_lacks_is_orphaned_or_removed(filled: Store, mode: Mode) -> None:
    report = filled.import_entries([MAPS], mode)
    lacking = [Change(GAMES.id, GAMES.question), Change("passage", "")]
    kept = mode == "append"
    assert (report.orphaned, report.removed) == ((2, 0) if kept else (0, 2))
    assert (report.orphaned_entries, report.removed_entries) == ((lacking, []) if kept else ([], lacking))
    assert report.total == (3 if kept else 1)


def test_an_answer_edited_without_an_id_leaves_the_old_entry_and_tells_so(filled: Store) -> None:
    report = filled.import_entries([EDITED, MAPS], "append")
    assert report.kept_old == [KeptOld(EDITED.id, "DO YOU LEND GAMES", (GAMES.id,), derived=True)]
    assert (report.added, report.total) == (1, 4)


def test_nothing_is_left_behind_where_the_old_entry_is_in_the_file_or_removed(filled: Store) -> None:
    assert filled.import_entries([EDITED, GAMES], "append", dry_run=True).kept_old == []
    assert filled.import_entries([EDITED], "replace", dry_run=True).kept_old == []


@pytest.mark.parametrize("mode", ["append", "replace"])
def test_matching_by_question_updates_the_old_entry(filled: Store, mode: Mode) -> None:
    told = filled.import_entries([EDITED], mode, dry_run=True, match="question")
    report = filled.import_entries([EDITED], mode, match="question")
    assert report == told
    assert (report.added, report.updated, report.matched) == (0, 1, 1)
    assert report.kept_old == []
    assert filled.get(GAMES.id).answer == "Only board games."


@pytest.mark.parametrize(
    "entries",
    [
        [EDITED, Entry(question="Do you lend games?!", answer="Two rows ask it.")],
        [EDITED, GAMES],
        [EDITED.model_copy(update={"id": "games"})],
        [Entry(answer="Only board games.")],
    ],
    ids=["twice in the file", "the old entry is in the file", "an id was given", "a passage"],
)
def test_matching_by_question_is_never_a_guess(filled: Store, entries: list[Entry]) -> None:
    report = filled.import_entries(entries, "append", match="question")
    assert (report.matched, report.updated) == (0, 0)


def test_a_question_that_two_entries_of_the_store_have_matches_neither(filled: Store) -> None:
    filled.import_entries([Entry(id="other", question="do you lend games", answer="Ask us.")], "append")
    report = filled.import_entries([EDITED], "append", match="question")
    assert (report.matched, report.added) == (0, 1)
    assert report.kept_old[0].old_ids == (GAMES.id, "other")


def test_lists_are_bounded_and_counts_are_not(store: Store) -> None:
    entries = [Entry(id=str(i), answer="x") for i in range(LISTED + 5)]
    report = store.import_entries(entries, "append")
    assert (report.added, len(report.added_entries)) == (LISTED + 5, LISTED)
    report = store.import_entries([Entry(id=str(i), answer="y") for i in range(LISTED + 5)], "append")
    assert (report.updated, len(report.updated_entries)) == (LISTED + 5, LISTED)
    assert {change.fields for change in report.updated_entries} == {("answer",)}
    report = store.import_entries([Entry(id="new", answer="x")], "replace")
    assert (report.removed, len(report.removed_entries)) == (LISTED + 5, LISTED)
