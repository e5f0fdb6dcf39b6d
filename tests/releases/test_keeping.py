"""Which releases a prune keeps, and in which order it drops the others."""

from app.index.protocol import IndexRecord
from app.releases.keeping import in_dropping_order, kept_releases, line_of


def record(name: str, base: str | None = None, increment: int = 0) -> IndexRecord:
    _, bundle, knowledge = name.split("-")
    return IndexRecord(
        name=name,
        bundle=bundle,
        knowledge=knowledge,
        entries=1,
        dimension=1,
        created_at="",
        base=base,
        increment=increment,
    )


def line(base: str, increments: int) -> list[IndexRecord]:
    """A publish and its increments `faq-a-11`, `faq-a-12`, … for `faq-a-1`."""
    return [record(base), *(record(f"{base}{number}", base, number) for number in range(1, increments + 1))]


FIRST, SECOND = line("faq-a-1", 3), line("faq-a-2", 4)


def test_the_last_increments_are_kept_with_all_that_they_extend() -> None:
    assert kept_releases([*FIRST, *SECOND], "faq-a-24", "faq-a-23", 5) == {
        "faq-a-1", "faq-a-11", "faq-a-12", "faq-a-13", "faq-a-2", "faq-a-21", "faq-a-22", "faq-a-23", "faq-a-24"
    }  # fmt: skip
    assert kept_releases([*FIRST, *SECOND], "faq-a-24", "faq-a-23", 1) == {
        "faq-a-1", "faq-a-2", "faq-a-21", "faq-a-22", "faq-a-23", "faq-a-24"
    }  # fmt: skip


def test_edits_do_not_take_the_publish_before_away() -> None:
    publishes = [record("faq-a-0"), *FIRST]
    assert "faq-a-0" in kept_releases(publishes, "faq-a-12", "faq-a-11", 50)
    assert "faq-a-0" not in kept_releases([*publishes, *SECOND], "faq-a-22", "faq-a-21", 50)


def test_after_a_rollback_nothing_needs_the_later_increments() -> None:
    assert kept_releases(FIRST, "faq-a-11", None, 0) == {"faq-a-1", "faq-a-11"}


def test_a_base_is_dropped_after_its_increments_and_the_newest_of_these_first() -> None:
    names = {record.name for record in FIRST} | {"faq-a-damaged"}
    assert in_dropping_order(FIRST, names) == ["faq-a-damaged", "faq-a-13", "faq-a-12", "faq-a-11", "faq-a-1"]


def test_a_line_is_a_publish_and_its_increments_in_order() -> None:
    records = [*SECOND[::-1], *FIRST]
    assert line_of(records, "faq-a-22") == line_of(records, "faq-a-2") == SECOND
    assert line_of(records, "faq-a-3") == []
