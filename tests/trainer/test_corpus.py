"""What is measured is what is served: blocks of scores against `retrieval.ranking`, one question at a time."""

import numpy as np
import pytest

from app.knowledge.entry import Entry
from app.retrieval.bundle import Bundle
from app.retrieval.encoder import Encoder
from app.retrieval.ranking import Candidate, Ranking
from tests.trainer.conftest import faq
from trainer.calibrate import DEFAULTS
from trainer.evaluation import corpus as corpora
from trainer.evaluation.corpus import Corpus, margins


@pytest.fixture
def entries() -> list[Entry]:
    shared = faq(8, 3)
    twin = Entry(id="twin", question="Something else entirely?", answer=shared[0].answer)
    long = Entry(id="long", answer=" ".join(f"word{i} page" for i in range(200)))  # several windows, no phrasing
    return [*shared, *(one.model_copy(update={"id": f"p-{one.id}"}) for one in faq(4, 0)), twin, long]


def served(ranking: Ranking, entries: list[Entry], encoder: Encoder, question: str) -> dict[str, tuple[float, float]]:
    """What the service computes: score and confidence of each entry, by id."""
    candidates = [
        Candidate(
            entry.id,
            {"answer": entry.answer},
            encoder.answers([entry.answer])[0],
            encoder.questions([text for text in entry.phrasings if text != question]),
        )
        for entry in entries
    ]
    ranked = ranking.rank(encoder.questions([question])[0], candidates)
    return {one.candidate.id: (one.score, one.confidence) for one in ranked}


@pytest.mark.parametrize("block_cells", [1, 2_000_000])
def test_blocks_score_as_the_service_does(
    entries: list[Entry], tiny_bundle: Bundle, monkeypatch: pytest.MonkeyPatch, block_cells: int
) -> None:
    monkeypatch.setattr(corpora, "BLOCK_CELLS", block_cells)
    encoder = Encoder(tiny_bundle, threads=1)
    corpus = Corpus(entries, encoder)
    questions = ["where is my tent", entries[0].question, "word3 page"]
    found = list(corpus.blocks(encoder.questions(questions), questions))
    assert sum(block.removed for _, block in found) == 1
    scores = np.concatenate([block.scores(DEFAULTS.question_weight) for _, block in found])
    confidences = DEFAULTS.calibration.confidence(
        scores.astype(np.float64), margins(scores, corpus.answer_ids).astype(np.float64)
    )
    for row, question in enumerate(questions):
        expected = served(DEFAULTS, entries, encoder, question)
        for column, entry in enumerate(corpus.entries):
            score, confidence = expected[entry.id]
            assert scores[row, column] == pytest.approx(score, abs=1e-5)
            assert confidences[row, column] == pytest.approx(confidence, abs=1e-3)


def test_entries_with_the_same_answer_are_relevant_together(entries: list[Entry], tiny_bundle: Bundle) -> None:
    corpus = Corpus(entries, Encoder(tiny_bundle, threads=1))
    twin = [entry.id for entry in corpus.entries].index("twin")
    assert len(corpus.relevant([twin])) == 3  # the twin, what it copies, and the passage of that answer
