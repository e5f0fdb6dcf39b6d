import json
from pathlib import Path

import pytest

from app.errors import FileError, InputError
from app.text.normalize import normalize
from trainer.data.queries import Labelled, ScoredPair, read_pairs
from trainer.data.reading import entries_of_labels, entries_of_pairs, read_index, read_source
from trainer.data.scored import scored_set
from trainer.data.training_set import training_set
from trainer.recipes import recipe_named


def write(path: Path, *rows: object) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def test_a_label_is_an_entry_its_first_text_the_answer() -> None:
    texts = [Labelled("a", "1"), Labelled("x", "2"), Labelled("b", "1"), Labelled("a", "1"), Labelled("c", "1")]
    first, second = entries_of_labels(texts)
    assert (first.id, first.answer, first.phrasings) == ("1", "a", ("b", "c"))
    assert (second.id, second.answer, second.phrasings) == ("2", "x", ())


def test_a_label_with_a_text_too_long_for_a_phrasing_is_named() -> None:
    with pytest.raises(InputError, match=r"label `long` has 1,001 characters"):
        entries_of_labels([Labelled("a", "long"), Labelled("b" * 1001, "long")])


def test_labels_become_groups_that_are_never_negatives_of_each_other(tmp_path: Path) -> None:
    rows = [{"text": f"text {i} of {label}", "label": label} for label in range(30) for i in range(3)]
    source = read_source(write(tmp_path / "texts.jsonl", *rows), recipe_named("groups"))
    training = training_set(source.entries)
    groups = {text: pair.group for pair in training.pairs for text in pair[:2]}
    assert len(groups) > 60
    assert all((groups[a] == groups[b]) == (a.split()[-1] == b.split()[-1]) for a in groups for b in groups)


def test_an_index_of_labelled_texts_has_an_entry_for_each(tmp_path: Path) -> None:
    rows = [{"text": "a", "label": 7}, {"text": "b", "label": 7}, {"text": "c", "label": 8}]
    entries, aliases = read_index(write(tmp_path / "index.jsonl", *rows))
    assert [(entry.answer, entry.metadata["label"]) for entry in entries] == [("a", "7"), ("b", "7"), ("c", "8")]
    assert aliases == {}


def test_a_later_row_of_another_shape_is_named_with_its_line(tmp_path: Path) -> None:
    file = write(tmp_path / "mixed.jsonl", {"text": "a", "label": 1}, {"text": "b", "label": 1}, {"question": "c"})
    with pytest.raises(FileError, match="needs `text`; it has `question`") as caught:
        read_source(file, recipe_named("groups"))
    assert caught.value.rows[0].line == 3


def test_an_empty_or_broken_file_is_reported_as_such(tmp_path: Path) -> None:
    (tmp_path / "empty.jsonl").touch()
    with pytest.raises(InputError, match="holds no entries"):
        read_source(tmp_path / "empty.jsonl", recipe_named("default"))
    (tmp_path / "broken.jsonl").write_text("{\n", encoding="utf-8")
    with pytest.raises(FileError, match="broken JSON"):
        read_source(tmp_path / "broken.jsonl", recipe_named("default"))


@pytest.mark.parametrize("score", [-1, True, "much", 1e999])
def test_a_score_is_a_number_from_0_up(score: object, tmp_path: Path) -> None:
    file = tmp_path / "pairs.jsonl"
    file.write_text(json.dumps({"a": "x", "b": "y"}) + "\n" + json.dumps({"a": "x", "b": "z", "score": score}) + "\n")
    if score == 1e999:  # infinite: read as absent, as everywhere
        assert read_pairs(file)[1].score == 1
    else:
        with pytest.raises(FileError, match="`score` must be a number"):
            read_pairs(file)


def test_pairs_have_defaults_and_are_read_from_csv_too(tmp_path: Path) -> None:
    file = write(tmp_path / "pairs.jsonl", {"a": "x", "b": "y"}, {"a": "x", "b": "z", "score": 0, "subgroup": "s"})
    assert read_pairs(file) == [ScoredPair("x", "y", 1.0, "0"), ScoredPair("x", "z", 0.0, "s")]
    (tmp_path / "pairs.csv").write_text("a,b,score\nx,y,0.5\nx,z,\n", encoding="utf-8")
    assert [pair.score for pair in read_pairs(tmp_path / "pairs.csv")] == [0.5, 1.0]


def scored(count: int) -> list[ScoredPair]:
    return [ScoredPair(f"question {i}", f"answer {i}", 1 + i % 2, str(i)) for i in range(count)]


def test_pairs_that_belong_together_are_trained_on_by_weight_and_the_others_kept_apart() -> None:
    pairs = [*scored(40), ScoredPair("question 0", "answer 1", 0, "0")]
    entries = entries_of_pairs(pairs)
    assert next(entry for entry in entries if entry.answer == "answer 1").negatives == ("question 0",)
    training = scored_set(entries, pairs)
    held = {normalize(question.question) for question in training.heldout}
    assert held
    assert {pair.anchor: pair.weight for pair in training.pairs} == {
        pair.a: pair.score for pair in pairs if pair.score and pair.a not in held
    }
    assert len({pair.group for pair in training.pairs}) == len(training.pairs)
    assert ("question 0" in held) or training.known_negatives == (("question 0", "answer 1"),)


def test_a_held_out_question_is_not_trained_on_as_the_other_side_of_a_pair_either() -> None:
    pairs = scored(40)
    split = scored_set(entries_of_pairs(pairs), pairs)
    held = [question.question for question in split.heldout if question.faq_id is not None]
    more = [ScoredPair(f"stranger {i}", f"{text.upper()}?", 0, "0") for i, text in enumerate(held)]
    pairs += [ScoredPair("question 1", "other", 0, "1"), *more]
    training = scored_set(entries_of_pairs(scored(40)), pairs)
    questions = {normalize(question.question) for question in training.heldout}
    assert questions
    assert not questions & {normalize(text) for pair in training.pairs for text in pair[:2]}
    assert not questions & {normalize(text) for texts in training.known_negatives for text in texts}


def test_subgroups_are_groups_and_one_text_in_two_of_them_joins_them() -> None:
    pairs = [
        *scored(60),
        ScoredPair("question 0 again", "answer 0", 1.0, "other"),
        ScoredPair("far", "answer x", 1, "3"),
    ]
    training = scored_set(entries_of_pairs(pairs), pairs)
    groups = {pair.anchor: pair.group for pair in training.pairs}
    both = [("question 0", "question 0 again"), ("question 3", "far")]
    kept = [(a, b) for a, b in both if a in groups and b in groups]
    assert kept
    assert all(groups[a] == groups[b] for a, b in kept)


def test_one_subgroup_without_negatives_has_nothing_to_tell_apart() -> None:
    pairs = [ScoredPair(f"question {i}", f"answer {i}") for i in range(60)]
    with pytest.raises(InputError, match="a subgroup of its own"):
        scored_set(entries_of_pairs(pairs), pairs)


def test_what_weights_and_negatives_say_is_part_of_the_data_hash() -> None:
    pairs = scored(40)
    entries = entries_of_pairs(pairs)
    doubled = [ScoredPair(pair.a, pair.b, pair.score * 2, pair.subgroup) for pair in pairs]
    assert scored_set(entries, pairs).sha256 != scored_set(entries, doubled).sha256


def test_drafts_and_archived_entries_are_neither_trained_on_nor_searched(tmp_path: Path) -> None:
    states = ("live", "draft", "archived")
    file = write(tmp_path / "faq.jsonl", *({"id": state, "answer": state, "entry.state": state} for state in states))
    assert [entry.id for entry in read_source(file, recipe_named("default")).entries] == ["live"]
    assert [entry.id for entry in read_index(file)[0]] == ["live"]
