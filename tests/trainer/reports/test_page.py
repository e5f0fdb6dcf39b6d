"""The report: what it says, that it holds what it shows, and that no text of a FAQ can break it."""

import json
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path

import pytest

from app.errors import InputError
from tests.outline import Outline
from tests.trainer import made
from tests.trainer.made import asked, place
from trainer.reports import explained, findings, history, page
from trainer.reports.findings import Share
from trainer.reports.results import Asked, Place, Shown

HOSTILE = [
    '<script>alert("x")</script> & <b>bold',
    "</style><img src=x onerror=alert(1)>",
    "כיצד אני מחזיר חבילה? ‮ reversed",
    "x" * 1000,
    "{{ 7 * 7 }} {% raw %} `code` $math$ ${shell}",
]


GAINED, LOST = (place(4, "wrong"), place(1)), (place(1), place(3, "wrong"))
FOUR = (
    asked("gained", *GAINED),
    asked("lost", *LOST),
    asked("unsure", place(1), place(1, confidence=0.3)),
    asked("never", place(9, "wrong"), place(8, "wrong", 0.2)),
)


def written(directory: Path, *questions: Asked, **more: dict[str, Shown]) -> str:
    return page.write(made.run(directory, made.results(*questions, **more))).read_text(encoding="utf-8")


def test_questions_are_sorted_by_their_results() -> None:
    found = findings.findings(made.results(*FOUR))
    names = {
        kind: [question.question for question in getattr(found, kind)]
        for kind in ("better", "worse", "unsure", "mistaken", "missed")
    }
    assert names == {
        "better": ["gained", "never"],
        "worse": ["lost"],
        "unsure": ["unsure"],
        "mistaken": ["lost"],
        "missed": ["never", "lost"],
    }
    assert (found.gained, found.lost, found.kept_right, found.kept_wrong) == (1, 1, 1, 1)
    assert found.chance == 1


def test_a_share_has_its_wilson_interval() -> None:
    low, high = Share(8, 10).interval
    assert (round(low, 3), round(high, 3)) == (0.490, 0.943)  # Wilson 1927
    assert Share(0, 0).interval == (0, 1)


@pytest.mark.parametrize(
    ("questions", "title"),
    [
        ([GAINED] * 30, "comes first for 30 of 30 new questions, up from 0"),
        ([LOST], "comes first for 0 of 1 new questions, down from 1"),
        ([GAINED, LOST], "comes first for 1 of 2 new questions, as before"),
        ([(None, place(1))], "comes first for 1 of 1 questions, with the base model"),
        ([], "nothing was measured"),
    ],
)
def test_the_title_says_what_happened(questions: list[tuple[Place, Place]], title: str) -> None:
    results = made.results(*(asked(f"{i}?", *both) for i, both in enumerate(questions)))
    said = explained.verdict(results, findings.findings(results))
    assert title in said.title
    assert bool(said.warning) is (bool(questions) and "base model" not in title)


def test_the_report_loads_nothing(tmp_path: Path) -> None:
    html = written(tmp_path / "run", *FOUR)
    outline = Outline(html)
    assert not {"script", "link", "img", "iframe", "object"} & {tag for tag, _ in outline.tags}
    addresses = [attrs[name] for _, attrs in outline.tags for name in ("href", "src", "xlink:href") if name in attrs]
    assert all((address or "").startswith("#") for address in addresses)
    assert "url(http" not in html
    assert "@import" not in html


def test_links_within_the_page_lead_somewhere(tmp_path: Path) -> None:
    outline = Outline(written(tmp_path / "run", *FOUR))
    ids = [attrs["id"] for _, attrs in outline.tags if attrs.get("id")]
    assert len(ids) == len(set(ids))
    for _, attrs in outline.tags:
        assert not attrs.get("href") or str(attrs["href"]).removeprefix("#") in ids


def test_no_text_of_a_faq_breaks_the_report(tmp_path: Path) -> None:
    entries = {"right": Shown(question=HOSTILE[0], answer=HOSTILE[1]), "wrong": Shown(question="", answer=HOSTILE[2])}
    html = written(tmp_path / "run", *(asked(text, *GAINED) for text in HOSTILE), entries=entries)
    outline = Outline(html)
    assert not {"script", "img", "b"} & {tag for tag, attrs in outline.tags if "onerror" in attrs or tag != "b"}
    for text in (*HOSTILE[:3], HOSTILE[4]):
        assert text in outline.text
    assert all(attrs.get("dir") == "auto" for tag, attrs in outline.tags if "q" in str(attrs.get("class")).split())


def test_publishing_is_a_command_to_copy(tmp_path: Path) -> None:
    html = written(tmp_path / "my run", *FOUR)
    assert f"python -m trainer publish --bundle &#39;{tmp_path}/my run/bundle&#39;" in html
    assert "python -m app import &#39;my faq.jsonl&#39; --mode replace" in html


def test_the_same_directory_gives_the_same_files(tmp_path: Path) -> None:
    run = made.run(tmp_path / "run", made.results(*FOUR))

    def everything() -> Iterator[tuple[str, bytes]]:
        page.write(run)
        return ((path.name, path.read_bytes()) for path in sorted(run.directory.rglob("*")) if path.is_file())

    assert dict(everything()) == dict(everything())
    names = {path.stem for path in (run.directory / "plots").iterdir()}
    expected = {"loss", "learning-rate", "metric-mrr", "before-after", "confidence", "reliability", "tradeoff"}
    assert names == expected | {"scores-before", "scores-after"}


def test_a_run_without_training_has_a_report(tmp_path: Path) -> None:
    html = page.write(made.run(tmp_path / "run", made.results(asked("a", None, place(1))), curve=0)).read_text()
    assert "Too small to train on." in html
    assert "Got better" not in html
    assert 'id="training"' not in html


def test_a_run_without_held_out_questions_has_a_report(tmp_path: Path) -> None:
    assert "nothing was measured" in written(tmp_path / "run")


def test_a_missing_or_broken_results_file_is_named(tmp_path: Path) -> None:
    run = made.run(tmp_path / "run", made.results(*FOUR))
    (run.directory / "results.json").write_text("{}")
    with pytest.raises(InputError, match=r"results\.json cannot be used"):
        page.write(run)
    (run.directory / "results.json").unlink()
    with pytest.raises(InputError, match=r"has no results\.json"):
        page.write(run)


def test_the_card_names_base_figures_and_command(tmp_path: Path) -> None:
    run = made.run(tmp_path / "run", made.results(*FOUR))
    page.write(run)
    card = (run.directory / "README.md").read_text(encoding="utf-8")
    assert card.startswith('---\nbase_model: "tiny"\n')
    assert "| Right answer first | 50.0% | 50.0% |" in card
    assert "python -m trainer publish --bundle" in card
    assert not (run.bundle / "README.md").exists()


def test_steps_that_a_resumed_run_repeats_are_drawn_once(tmp_path: Path) -> None:
    rows = [(10, 3.0), (20, 2.0), (30, 9.0), (25, 1.5), (30, 1.0)]  # killed after 30, resumed from 20
    lines = [json.dumps({"step": step, "epoch": step / 10, "stage": 1, "loss": loss}) for step, loss in rows]
    (tmp_path / "metrics.jsonl").write_text("\n".join([*lines, '{"step": 31, "lo']), encoding="utf-8")
    assert history.read(tmp_path).steps["loss"].points == [(10, 3.0), (20, 2.0), (25, 1.5), (30, 1.0)]


def test_a_later_stage_continues_the_steps_and_epochs_of_the_earlier_one(tmp_path: Path) -> None:
    found = history.read(made.run(tmp_path / "run", made.results()).directory)
    assert [x for x, _ in found.steps["loss"].points] == [5, 15, 25, 35]
    assert found.steps["loss"].starts == [25]
    assert found.epochs["mrr"].points == [(1, 0.5), (2, 0.55), (3, 0.6), (4, 0.65)]


def test_the_report_has_the_colours_of_the_ask_page() -> None:
    def variables(package: str) -> list[str]:
        on_screen = files(package).joinpath("page.css").read_text("utf-8").partition("@media print")[0]
        lines = on_screen.splitlines()
        return [line.split("/*")[0].strip() for line in lines if line.strip().startswith("--")]

    own = set(variables("trainer.reports"))
    assert [line for line in variables("app.web") if line not in own] == []
