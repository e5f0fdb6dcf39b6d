"""What a question generator learns from: questions, and the part of its passage that each was asked about.

A long passage answers many questions. Each is given the few sentences that it shares most words with, which are what a
FAQ's answers look like, and the only part that tells what to ask about.
"""

import hashlib
import json
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from semantic_text_splitter import TextSplitter
from sklearn.feature_extraction.text import TfidfVectorizer

from app.errors import InputError
from app.knowledge.files import read_entries
from app.knowledge.queries import read_queries
from app.retrieval.normalize import normalize
from trainer.data import order, refuse_unknown, renamed, resolver
from trainer.generation import parts

FOCUS = 300  # characters of a passage that one question is about, at most
HELD, HELD_AT_MOST = 0.05, 120  # passages that are held out, with all of their questions
WORD = r"\w+"
FEWEST = 200  # pairs; from fewer nothing can be learned

log = logging.getLogger("trainer")


class Example(NamedTuple):
    """A question and the text that it is about; `group` numbers the passage."""

    source: str
    question: str
    group: int


@dataclass(frozen=True)
class Examples:
    """Learned from, and held out."""

    train: list[Example]
    heldout: list[Example]

    @property
    def sha256(self) -> str:
        """Digest of all that the training sees."""
        return hashlib.sha256(json.dumps([self.train, self.heldout], ensure_ascii=False).encode()).hexdigest()


def read(data: Path, queries: Path | None, seed: int) -> Examples:
    """The examples of a FAQ, of a FAQ and its labelled questions, or of TSV pairs.

    Raises FileError, and InputError where there are too few.
    """
    pairs = _tsv(data) if data.is_dir() or data.suffix == ".tsv" else _faq(data, queries)
    if len(pairs) < FEWEST:
        raise InputError(
            f"{data} holds {len(pairs)} questions with an answer; a generator takes at least {FEWEST} to learn from.",
            "data",
        )
    return split(pairs, seed)


def split(pairs: Sequence[tuple[str, str]], seed: int) -> Examples:
    """Hold out some passages, and give each question the part of its passage that it is about."""
    passages = list(dict.fromkeys(passage for _, passage in pairs))
    groups = {passage: number for number, passage in enumerate(passages)}
    count = min(HELD_AT_MOST, max(1, round(HELD * len(passages))))
    secret = set(sorted(passages, key=lambda passage: order(passage, seed))[:count])
    found = [
        Example(source, question, groups[passage])
        for source, (question, passage) in zip(focused(pairs), pairs, strict=True)
    ]
    held = {groups[passage] for passage in secret}
    return Examples([one for one in found if one.group not in held], [one for one in found if one.group in held])


def focused(pairs: Sequence[tuple[str, str]]) -> list[str]:
    """For each question the piece of its passage that is nearest to it by TF-IDF; a short passage is one piece."""
    splitter = TextSplitter(FOCUS)
    pieces = {passage: splitter.chunks(passage) or [passage] for _, passage in pairs}
    if all(len(some) == 1 for some in pieces.values()):
        return [passage for _, passage in pairs]
    vectors = TfidfVectorizer(sublinear_tf=True, token_pattern=WORD).fit(
        piece for some in pieces.values() for piece in some
    )
    known = {passage: vectors.transform(some) for passage, some in pieces.items() if len(some) > 1}
    asked = vectors.transform(question for question, _ in pairs)
    return [
        pieces[passage][int((known[passage] @ asked[row].T).toarray().argmax())] if passage in known else passage
        for row, (_, passage) in enumerate(pairs)
    ]


def _tsv(data: Path) -> list[tuple[str, str]]:
    found = parts.read(data)
    if found.skipped:
        log.warning("%d lines hold no pair and were skipped, the first: %s", len(found.skipped), found.skipped[0])
    return list(dict.fromkeys((one.query, one.passage) for one in found.pairs))


def _faq(data: Path, queries: Path | None) -> list[tuple[str, str]]:
    file = read_entries(data)
    pairs = [(text, entry.plain_answer) for entry in file.entries for text in entry.phrasings]
    unknown = []
    if queries is not None:
        find = resolver(file.entries)
        for query in renamed(read_queries(queries), file.aliases):
            if at := find(query):
                pairs.append((query.question, file.entries[at[0]].plain_answer))
            elif not query.unanswerable:
                unknown.append(query.question)
    refuse_unknown(unknown)
    return list({(normalize(question), answer): (question, answer) for question, answer in pairs}.values())
