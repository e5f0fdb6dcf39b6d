"""What was asked of a release, kept on disk."""

from pathlib import Path

import pytest

from app.ranking.adaptation import Asked
from app.releases.shares import Shares


def test_what_is_kept_is_read_back_until_the_release_is_dropped(tmp_path: Path) -> None:
    shares = Shares(tmp_path / "shares")
    assert shares.read("faq-a") == Asked()
    asked = Asked(exact=3, applied=0.25)
    shares.write("faq-a", asked.model_dump_json())
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
