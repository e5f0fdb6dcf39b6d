"""Splits entries and labelled questions into pairs to train on and held-out questions.

The split depends only on the texts and the seed (SHA-256), so that a FAQ splits the same way everywhere, and an added
entry does not move the others.
"""

import hashlib
import json
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

from app.encoding.bundle import HeldOut
from app.errors import InputError
from app.knowledge.entry import Entry
from app.knowledge.queries import Query
from app.text.markup import plain_text
from app.text.normalize import normalize

RICH = 3  # phrasings, from which an entry has one or more held out
HELD_PHRASINGS = 0.2  # share of such an entry's phrasings, at least one
HELD_ENTRIES = 0.1  # share of the other entries, of which all phrasings are held out
HELD_ENTRIES_BOUNDS = (3, 500)
FEWEST_TO_HOLD = 10  # with fewer such entries, none is held out whole
HELD_QUERIES = 0.3  # share of the labelled questions that an entry answers
MIN_GROUPS, MIN_PAIRS = 16, 48  # the least to train on


class Pair(NamedTuple):
    """Two texts of one entry, to be embedded alike. Texts of one group are never negatives of each other."""

    anchor: str
    positive: str
    group: int
    weight: float = 1.0  # in the loss
    answered: bool = True  # whether the positive is an answer, not another phrasing


@dataclass(frozen=True)
class TrainingSet:
    """The pairs, the held-out questions, and the known negatives, which count whatever their groups are."""

    pairs: tuple[Pair, ...]
    heldout: tuple[HeldOut, ...]
    known_negatives: tuple[tuple[str, str], ...] = ()  # a text, and a text that is not an answer to it

    @property
    def groups(self) -> int:
        """The number of distinct groups."""
        return len({pair.group for pair in self.pairs})

    @property
    def too_small(self) -> str | None:
        """Why this is too small to train on, for people; None if it is large enough."""
        if (self.groups >= MIN_GROUPS or self.known_negatives) and len(self.pairs) >= MIN_PAIRS:
            return None
        return (
            f"Too small to train on: {self.groups} entries with {len(self.pairs)} pairs of texts remain for training, "
            f"and {MIN_GROUPS} entries and {MIN_PAIRS} pairs are needed. The base model is used without training, "
            "calibrated on the held-out questions. To train it, add phrasings of each question."
        )

    @property
    def sha256(self) -> str:
        """A digest of everything that training and calibration use."""
        content: list[object] = [[pair[:2] for pair in self.pairs], self.heldout]
        if self.known_negatives or any(pair.weight != 1 for pair in self.pairs):
            content += [[pair[2:] for pair in self.pairs], self.known_negatives]
        return hashlib.sha256(json.dumps(content, ensure_ascii=False).encode()).hexdigest()


def training_set(
    entries: Sequence[Entry],
    queries: Sequence[Query] = (),
    seed: int = 0,
    golden: Iterable[HeldOut] = (),
    known_negatives: Iterable[tuple[str, str]] = (),
) -> TrainingSet:
    """Split entries and labelled questions. Raises InputError naming questions whose entry is not in the FAQ.

    Of an entry with three phrasings or more, a fifth of them is held out, at least one. Of the other entries, a tenth
    is held out whole, with all entries that share a text with them. Of the labelled questions of an entry, three tenths
    are held out and the others are further phrasings. All questions that no entry answers are held out. A question that
    is also an answer to train on is not held out. Questions of `golden` are held out too.
    """
    groups = group_entries(entries)
    whole = _whole_groups(entries, groups, seed)
    extra, unanswerable = _resolve(queries, entries)
    answers = {
        normalize(entry.plain_answer) for entry, group in zip(entries, groups, strict=True) if group not in whole
    }
    heldout: list[HeldOut] = [*golden, *(HeldOut(question, None) for question in unanswerable)]
    trained: list[tuple[str, ...]] = []
    for entry, group, labelled in zip(entries, groups, extra, strict=True):
        spare = set(entry.phrasings) | set(labelled) if group in whole else _spare(entry, labelled, seed)
        spare = {text for text in spare if normalize(text) not in answers}
        heldout += [
            HeldOut(text, entry.id, entry.plain_answer)
            for text in dict.fromkeys((*entry.phrasings, *labelled))
            if text in spare
        ]
        trained.append(tuple(text for text in dict.fromkeys((*entry.phrasings, *labelled)) if text not in spare))
    seen = {normalize(question.question) for question in heldout}
    pairs: list[Pair] = []
    for entry, group, texts in zip(entries, groups, trained, strict=True):
        if group not in whole:
            pairs += _pairs([text for text in texts if normalize(text) not in seen], entry.plain_answer, group)
    return separated(pairs, heldout, known_negatives)


def separated(
    pairs: Iterable[Pair], heldout: Iterable[HeldOut], known_negatives: Iterable[tuple[str, str]] = ()
) -> TrainingSet:
    """The training set, without the pairs and known negatives that contain a held-out question.

    Texts are compared by `normalize`, as evaluation compares a question with the phrasings of the index. Every function
    that builds a training set ends here. Duplicates are removed; the order stays.
    """
    questions = tuple(dict.fromkeys(heldout))
    seen = {normalize(question.question) for question in questions}

    def trainable(*texts: str) -> bool:
        return seen.isdisjoint(map(normalize, texts))

    return TrainingSet(
        tuple(pair for pair in dict.fromkeys(pairs) if trainable(pair.anchor, pair.positive)),
        questions,
        tuple(texts for texts in dict.fromkeys(known_negatives) if trainable(*texts)),
    )


def group_entries(entries: Sequence[Entry]) -> list[int]:
    """The group of each entry. Entries that share an answer or a phrasing, directly or not, are one group."""
    return united([[normalize(text) for text in (entry.plain_answer, *entry.phrasings)] for entry in entries])


def united(keys: Sequence[Iterable[str]]) -> list[int]:
    """A number for each item, equal for items that share a key, directly or through others (union-find)."""
    parent = list(range(len(keys)))

    def root(i: int) -> int:
        while parent[i] != i:
            parent[i] = parent[parent[i]]
            i = parent[i]
        return i

    first: dict[str, int] = {}
    for i, own_keys in enumerate(keys):
        for key in own_keys:
            parent[root(i)] = root(first.setdefault(key, i))
    return [root(i) for i in range(len(keys))]


def _whole_groups(entries: Sequence[Entry], groups: Sequence[int], seed: int) -> set[int]:
    members: dict[int, list[Entry]] = defaultdict(list)
    for entry, group in zip(entries, groups, strict=True):
        members[group].append(entry)
    poor = {
        group: min(order(entry.plain_answer, seed) for entry in group_members)
        for group, group_members in members.items()
        if any(entry.phrasings for entry in group_members)
        and all(len(entry.phrasings) < RICH for entry in group_members)
    }
    if len(poor) < FEWEST_TO_HOLD:
        return set()
    low, high = HELD_ENTRIES_BOUNDS
    count = min(high, max(low, round(HELD_ENTRIES * len(poor))))
    return set(sorted(poor, key=poor.__getitem__)[:count])


def _spare(entry: Entry, labelled: Sequence[str], seed: int) -> set[str]:
    """The phrasings and labelled questions of an entry that are held out; never its canonical question."""
    spare = set(_share(labelled, HELD_QUERIES, 0, seed))
    if len(entry.phrasings) >= RICH:
        spare |= set(_share(entry.phrasings[1:], HELD_PHRASINGS, 1, seed))
    return spare


def _share(texts: Sequence[str], share: float, least: int, seed: int) -> list[str]:
    return sorted(texts, key=lambda text: order(text, seed))[: max(least, round(share * len(texts)))]


def _resolve(queries: Iterable[Query], entries: Sequence[Entry]) -> tuple[list[list[str]], list[str]]:
    """The labelled questions of each entry, and the questions that no entry answers."""
    find = resolver(entries)
    extra: list[list[str]] = [[] for _ in entries]
    unanswerable, unknown = [], []
    for query in queries:
        if query.unanswerable:
            unanswerable.append(query.question)
        elif positions := find(query):
            extra[positions[0]].append(query.question)
        else:
            unknown.append(query.question)
    refuse_unknown(unknown)
    return extra, unanswerable


def renamed(queries: Iterable[Query], aliases: Mapping[str, str]) -> list[Query]:
    """The queries, with the ids of merged entries replaced by the ids that they were merged into."""
    return [replace(query, faq_id=aliases.get(query.faq_id or "", query.faq_id)) for query in queries]


def refuse_unknown(unknown: Sequence[str]) -> None:
    """Raises InputError if there are questions whose entry is not in the FAQ."""
    if unknown:
        examples = "; ".join(unknown[:5])
        raise InputError(
            f"{len(unknown)} labelled questions name an id or an answer that is not in the FAQ: {examples}"
        )


def resolver(entries: Sequence[Entry]) -> Callable[[Query], Sequence[int]]:
    """A function that gives the positions of the entries that answer a query: by id, else by answer, else by label.

    A label is an entry's id, or the value of its metadata field `label`.
    """
    by_id = {entry.id: [i] for i, entry in enumerate(entries)}
    by_answer: dict[str, list[int]] = defaultdict(list)
    by_label: dict[str, list[int]] = defaultdict(list)
    for i, entry in enumerate(entries):
        by_answer[entry.plain_answer].append(i)
        by_label[str(entry.metadata.get("label", entry.id))].append(i)

    def find(query: Query) -> Sequence[int]:
        if query.faq_id is not None:
            return by_id.get(query.faq_id, ())
        if query.answer is not None:
            return by_answer.get(plain_text(query.answer), ()) or by_answer.get(query.answer, ())
        return by_label.get(query.label or "", ())

    return find


def order(text: str, seed: int) -> str:
    """A key that sorts texts in a random order, the same in every process."""
    return hashlib.sha256(f"{seed}\x1f{text}".encode()).hexdigest()


def _pairs(texts: Sequence[str], answer: str, group: int) -> list[Pair]:
    """A pair of each phrasing with the answer, and of each phrasing with the next one."""
    ring = zip(texts, (*texts[1:], texts[0]), strict=True) if len(texts) > 2 else [texts] if len(texts) == 2 else []
    phrased = [Pair(text, following, group, answered=False) for text, following in ring]
    return [Pair(text, answer, group) for text in texts] + phrased
