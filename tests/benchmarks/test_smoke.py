"""The comparison of a machine's figures with the ones that were kept."""

from benchmarks.smoke import ROWS, compared

KEPT = {"unit_ms": 10.0, **dict.fromkeys(ROWS, 100.0)}


def test_a_figure_beyond_its_bound_is_named() -> None:
    lines, slower = compared({**KEPT, "question_cpu_ms": 170.0, "resident_mb": 120.0}, KEPT)
    assert slower == [ROWS["question_cpu_ms"].title]
    assert len(lines) == len(ROWS) + 2


def test_a_slower_machine_may_take_longer_and_no_more_memory() -> None:
    slow = {**KEPT, "unit_ms": 20.0, "question_cpu_ms": 200.0, "resident_mb": 200.0}
    assert compared(slow, KEPT)[1] == [ROWS["resident_mb"].title]
