"""Results in a few words."""

from tests.trainer.made import asked, place, results


def test_the_headline_compares_the_answerable_questions() -> None:
    questions = [
        asked("a", place(2), place(1)),
        asked("b", place(1), place(1)),
        asked("c", place(None), place(None)),  # nothing answers it
    ]
    assert results(*questions).headline == ".50 -> 1.00"


def test_the_headline_of_an_untrained_model_has_one_figure() -> None:
    assert results(asked("a", None, place(1)), asked("b", None, place(3))).headline == ".50"
