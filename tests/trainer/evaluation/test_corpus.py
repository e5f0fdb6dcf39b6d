"""A model under training is measured as its bundle will be: blocks of scores against `ranking.ranking`."""

import numpy as np
import pytest

from app.arrays import Vectors
from app.encoding.bundle import Bundle
from app.encoding.encoder import Encoder
from app.index.candidates import Candidate, Question
from app.index.hits import Hits
from app.knowledge.entry import Entry
from app.ranking.defaults import DEFAULTS
from app.releases.payloads import payload_of
from tests.trainer.conftest import faq
from trainer.evaluation import corpus as corpora
from trainer.evaluation.corpus import Corpus


@pytest.fixture
def entries() -> list[Entry]:
    shared = faq(8, 3)
    twin = Entry(id="twin", question="Something else entirely?", answer=shared[0].answer)
    long = Entry(id="long", answer=" ".join(f"word{i} page" for i in range(200)))  # several windows, no phrasing
    return [*shared, *(passage.model_copy(update={"id": f"p-{passage.id}"}) for passage in faq(4, 0)), twin, long]


def scores_of(entries: list[Entry], encoder: Encoder, question: str) -> dict[str, float]:
    """What the service computes of each entry, by id, where no word fits."""
    none: Vectors = np.empty((0, encoder.encoding.dimension), dtype=np.float32)
    candidates = [
        Candidate(
            entry.id,
            payload_of(entry),
            encoder.encode_documents([entry.answer])[0],
            encoder.encode_queries([text for text in entry.phrasings if text != question]),
            none,
        )
        for entry in entries
    ]
    vector = encoder.encode_queries([question])[0]
    hits = Hits.of(candidates, vector, np.zeros(len(candidates)), {})
    return {entry.id: entry.score for entry in DEFAULTS.rank(Question(question, vector), hits)}


@pytest.mark.parametrize("block_cells", [1, 2_000_000])
def test_blocks_score_as_the_service_does(
    entries: list[Entry], tiny_bundle: Bundle, monkeypatch: pytest.MonkeyPatch, block_cells: int
) -> None:
    monkeypatch.setattr(corpora, "BLOCK_CELLS", block_cells)
    encoder = Encoder(tiny_bundle, threads=1)
    corpus = Corpus(entries, encoder)
    questions = ["where is my tent", entries[0].question, "word3 page"]
    blocks = list(corpus.blocks(encoder.encode_queries(questions), questions))
    assert sum(block.removed for _, block in blocks) == 1
    scores = np.concatenate([block.scores(DEFAULTS.question_weight) for _, block in blocks])
    for row, question in enumerate(questions):
        expected = scores_of(entries, encoder, question)
        for column, entry in enumerate(corpus.entries):
            assert scores[row, column] == pytest.approx(expected[entry.id], abs=1e-5)
