"""What was asked of a release, kept on disk."""

from pathlib import Path

import pytest

from app.ranking.adaptation import Asked
from app.releases.shares import Shares


def test_what_is_kept_is_read_back_until_the_release_is_dropped(tmp_path: Path) -> None:
    shares = Shares(tmp_path / "shares")
    assert shares.read("faq-a") == Asked()
    asked = Asked(exact=3, applied=0.25)
    assert shares.add("faq-a", asked, Asked()) == asked
    assert shares.read("faq-a") == asked
    assert shares.read("faq-b") == Asked()
    shares.drop("faq-a")
    assert shares.read("faq-a") == Asked()


@pytest.mark.parametrize("content", ["", "{", '{"counts": [1, 2]}'])
def test_a_damaged_file_counts_from_zero_and_says_so(
    content: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "faq-a.json").write_text(content)
    assert Shares(tmp_path).read("faq-a") == Asked()
    assert "counted from zero" in caplog.text


def test_processes_add_up_what_they_count_and_agree_on_the_applied_share(tmp_path: Path) -> None:
    first, second = Shares(tmp_path), Shares(tmp_path)
    first.add("faq-a", Asked(exact=10, applied=0.2), Asked())
    known = second.read("faq-a")
    total = second.add("faq-a", Asked(exact=13, applied=0.23), known)
    assert (total.exact, total.applied) == (13, 0.23)
    total = first.add("faq-a", Asked(exact=11, applied=0.19), known)
    assert total.exact == 14
    assert total.applied == pytest.approx(0.22)
    assert second.add("faq-a", total, total) == total


def test_a_process_whose_file_is_deleted_keeps_its_counts(tmp_path: Path) -> None:
    shares = Shares(tmp_path)
    known = shares.add("faq-a", Asked(exact=3), Asked())
    shares.drop("faq-a")
    assert shares.add("faq-a", Asked(exact=4), known) == Asked(exact=4)
