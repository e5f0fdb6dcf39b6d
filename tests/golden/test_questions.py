"""Golden questions in the database: added, listed, changed, deleted, taken from files and feedback."""

import pytest

from app.errors import Conflict, InputError, NotFound
from app.golden import questions
from app.golden.questions import GoldenStore, NewQuestion


def test_a_question_is_added_changed_and_deleted_and_tells_who_did_it(golden: GoldenStore) -> None:
    added = golden.add(NewQuestion("Where is my money?", "refund", note="asked daily"), "ann")
    assert (added.faq_id, added.source, added.note, added.changed_by) == ("refund", "manual", "asked daily", "ann")
    changed = golden.change(added.id, NewQuestion("Where is my cash?", None), "bob")
    assert golden.get(added.id) == changed
    assert (changed.question, changed.faq_id, changed.changed_by) == ("Where is my cash?", None, "bob")
    assert changed.created_at == added.created_at
    golden.delete(added.id)
    with pytest.raises(NotFound, match=f"no golden question {added.id}"):
        golden.get(added.id)
    with pytest.raises(NotFound):
        golden.delete(added.id)


def test_the_same_text_is_golden_once_and_its_entry_must_be_in_the_store(golden: GoldenStore) -> None:
    first = golden.add(NewQuestion("Where is my money?", "refund"))
    other = golden.add(NewQuestion("Can I pay you?", None))
    with pytest.raises(Conflict, match=f"golden already, with the id {first.id}"):
        golden.add(NewQuestion("Where is my money?", None))
    with pytest.raises(Conflict, match="golden already"):
        golden.change(other.id, NewQuestion("Where is my money?", None))
    with pytest.raises(InputError, match="no entry `refunds`"):
        golden.add(NewQuestion("Where is it?", "refunds"))
    with pytest.raises(InputError, match="no entry `refunds`, which the question “a” names"):
        golden.take([NewQuestion("b", None), NewQuestion("a", "refunds")])
    assert [golden.question for golden in golden.all()] == ["Where is my money?", "Can I pay you?"]


def test_pages_follow_each_other_and_a_search_ignores_case(golden: GoldenStore) -> None:
    golden.take([NewQuestion(f"Straße {i}?", "refund" if i % 2 else None, note="ALL") for i in range(7)])
    pages: list[list[str]] = []
    after = None
    while True:
        page = golden.page(3, after)
        assert page.total == 7
        pages.append([golden.question for golden in page.questions])
        if (after := page.next_after) is None:
            break
    assert [len(page) for page in pages] == [3, 3, 1]
    assert [text for page in pages for text in page] == [f"Straße {i}?" for i in range(7)]
    assert golden.page(50, search="STRASSE 3").total == 1
    assert golden.page(50, search="Refund").total == 3
    assert golden.page(50, search="all").total == 7
    assert golden.page(50, search="50%").total == 0
    assert golden.page(50, search="\0").total == 0


def test_rows_are_taken_all_or_none_and_say_what_they_changed(
    golden: GoldenStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = [NewQuestion("a", "refund", "feedback"), NewQuestion("b", None, "feedback")]
    assert golden.take(rows, dry_run=True) == (2, 0, 0)
    assert golden.all() == []
    assert golden.take(rows) == (2, 0, 0)
    newer = [NewQuestion("a", "password", "log"), NewQuestion("b", None, "feedback"), NewQuestion("c", None)]
    assert golden.take(newer, overwrite=False, dry_run=True) == (1, 0, 2)
    assert golden.take(newer) == (1, 1, 1)
    assert [(golden.question, golden.faq_id) for golden in golden.all()] == [
        ("a", "password"),
        ("b", None),
        ("c", None),
    ]
    monkeypatch.setattr(questions, "MOST", 3)
    with pytest.raises(Conflict, match="3 are there, and 1 would be added"):
        golden.take([NewQuestion("d", None)])
    assert golden.take(newer) == (0, 0, 3)
