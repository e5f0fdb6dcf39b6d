"""The lint of a whole store: which mistakes it finds, and which texts it leaves in peace."""

from datetime import timedelta

import pytest

from app.knowledge.entry import Entry
from app.knowledge.publication import moment
from app.knowledge.stored import Stored
from app.lint.finding import Finding, Kind
from app.lint.linting import lint
from app.lint.report import Report
from tests.lint.made import BEFORE, NOW, WordVectors, stored

YESTERDAY, TOMORROW = moment(NOW - timedelta(days=1)), moment(NOW + timedelta(days=1))


def linted(*entries: Entry) -> Report:
    return lint(stored(*entries), NOW, WordVectors())


def ids(finding: Finding) -> list[str]:
    return [mention.id for mention in finding.entries]


def entry(entry_id: str, question: str = "", answer: str = "", **fields: object) -> Entry:
    return Entry(id=entry_id, question=question, answer=answer or f"About {entry_id}.", **fields)  # type: ignore[arg-type]


def test_one_question_with_different_answers_names_every_entry_that_has_it() -> None:
    report = linted(
        entry("a", "How long do returns take?", "Five days."),
        entry("b", "Other", "Six days.", alternatives=("  how long do RETURNS take",)),
        entry("c", "How long do returns take?", "five days"),
    )
    finding, same_answer = report.findings
    assert (finding.kind, finding.severity, ids(finding)) == ("different_answers", "error", ["a", "b", "c"])
    assert (same_answer.kind, ids(same_answer)) == ("duplicate_answers", ["a", "c"])
    assert finding.entries[1].text == "how long do RETURNS take"
    assert finding.advice


def test_entries_that_ask_nearly_the_same_are_one_finding_with_the_nearest_first() -> None:
    report = linted(
        entry("a", "where can I see the status of my open order online", "One."),
        entry("b", "where can I see the status of my open orders online", "Two answers."),
        entry("c", "where can I see the status of my open order online now", "Three more of them."),
        entry("d", "may I bring my dog into the store", "Four is different."),
    )
    (finding,) = report.findings
    assert (finding.kind, set(ids(finding)), finding.total) == ("duplicate_questions", {"a", "b", "c"}, 3)
    assert finding.similarity is not None
    assert finding.similarity >= 0.9


def test_the_same_question_with_the_same_answer_is_a_duplicate() -> None:
    report = linted(entry("a", "Do you ship pets?", "No."), entry("b", "do you ship pets", "No."))
    assert report.counts == {"duplicate_questions": 1, "duplicate_answers": 1}


def test_texts_about_different_numbers_are_not_near_duplicates() -> None:
    report = linted(
        entry(
            "a", "how do I change the battery of the handheld scanner model 4100", "Open the cover of the 4100 model."
        ),
        entry(
            "b", "how do I change the battery of the handheld scanner model 4200", "Open the cover of the 4200 model."
        ),
    )
    assert report.findings == []


def test_an_alternative_that_is_nearer_to_another_entry_is_found() -> None:
    report = linted(
        entry("trial", "how does the hundred night trial work", "x", alternatives=("how do I exchange a mattress",)),
        entry("exchange", "how do I exchange my mattress", "y"),
    )
    (finding,) = report.findings
    assert (finding.kind, ids(finding)) == ("finds_other", ["trial", "exchange"])
    assert finding.entries[0].text == "how do I exchange a mattress"


@pytest.mark.parametrize(
    ("fields", "kind", "text"),
    [
        ({"answer": "See [it](/help)."}, "broken_link", "/help"),
        ({"valid_until": YESTERDAY}, "expired", "Why?"),
        ({"negatives": ("why",)}, "excluded_phrasing", "Why?"),
        ({"follow_ups": ("nobody",)}, "dead_follow_up", "nobody"),
        ({"follow_ups": ("draft",)}, "dead_follow_up", "draft"),
        ({"follow_ups": ("passage",)}, "dead_follow_up", "passage"),
        ({"follow_ups": ("later",)}, "dead_follow_up", "later"),
    ],
)
def test_an_entry_is_also_checked_by_itself(fields: dict[str, object], kind: Kind, text: str) -> None:
    others = [
        entry("draft", "Is it out yet?", state="draft"),
        entry("passage"),
        entry("later", "What comes tomorrow, then?", valid_from=TOMORROW),
    ]
    report = linted(entry("a", "Why?", **fields), *others)  # type: ignore[arg-type]
    (finding,) = report.findings
    assert (finding.kind, ids(finding), finding.entries[0].text) == (kind, ["a"], text)


def test_an_entry_that_ended_before_it_was_added_has_never_answered() -> None:
    ended = entry("a", "Why?", valid_until=YESTERDAY)
    report = lint([Stored(ended, 1, None, NOW, NOW)], NOW)
    assert [finding.kind for finding in report.findings] == ["never_valid"]


def test_archived_entries_and_good_ones_have_no_findings() -> None:
    report = linted(
        entry("old", "Why?", "See [it](/help).", state="archived", valid_until=YESTERDAY, follow_ups=("nobody",)),
        entry("good", "Why?", "See [it](https://example.com).", valid_until=TOMORROW, follow_ups=("next",)),
        entry("next", "And then what happens?", state="live"),
    )
    assert (report.findings, report.entries) == ([], 2)


def test_without_an_encoder_only_meaning_is_left_out() -> None:
    entries = stored(entry("a", "Why?", "One."), entry("b", "why", "Two."), entry("c", "So [what]?", "One"))
    report = lint(entries, NOW)
    assert (report.compared, report.counts) == (False, {"different_answers": 1})


def test_pages_follow_each_other_and_survive_findings_that_are_gone() -> None:
    bad = [entry(f"e{i}", f"question number{i} is about thing{i}", f"[thing{i}](/{i})") for i in range(7)]
    report = linted(*bad, entry("twice", "Why?", "One."), entry("again", "Why?", "Two."))
    pages, after = [], None
    while True:
        page = report.page(3, after)
        pages.append([finding.key for finding in page.findings])
        after = page.next_after
        assert page.total == 8
        if after is None:
            break
    assert [len(page) for page in pages] == [3, 3, 2]
    assert report.findings[0].kind == "different_answers"
    fewer = linted(*bad[:5], bad[6])
    assert [finding.key for finding in fewer.page(10, pages[0][-1]).findings] == [
        key for key in pages[1] + pages[2] if key in {finding.key for finding in fewer.findings}
    ]
    only = report.page(2, None, ["broken_link"])
    assert (only.total, {finding.kind for finding in only.findings}) == (7, {"broken_link"})


def test_a_report_comes_back_from_its_json() -> None:
    report = linted(entry("ä", "Why?", "[x](/1)"), entry("b", "why", "Two."))
    assert Report.of_json(report.as_json()) == report
    assert BEFORE < NOW
