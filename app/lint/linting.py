"""The lint: all findings in the entries of a store, from one pass over them and one comparison of their vectors."""

import heapq
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from itertools import chain

from app.batches import batches
from app.encoding.lengths import Lengths
from app.knowledge.entry import Entry
from app.knowledge.flaws import flaws_of, unfit_follow_up
from app.knowledge.publication import moment
from app.knowledge.stored import Stored
from app.lint.corpus import Corpus, TextEncoder
from app.lint.finding import Finding, Kind, finding, mention
from app.lint.report import KEPT, Report
from app.lint.similar import different_answers, similar_answers, similar_questions

BATCH = 64  # entries


def lint(
    stored: Iterable[Stored], now: datetime, encoder: TextEncoder | None = None, lengths: Lengths | None = None
) -> Report:
    """The findings of all entries but archived ones.

    Without an `encoder` nothing is compared by meaning, and without `lengths` no length is checked.
    """
    corpus, follow_ups = Corpus(encoder), _FollowUps(now)
    of_entries = chain.from_iterable(_of_entries(stored, corpus, follow_ups, lengths, now))
    together = chain(
        different_answers(corpus), *((similar_questions(corpus), similar_answers(corpus)) if encoder else ())
    )
    kept = _Kept()
    for part in (of_entries, follow_ups.findings(), together):
        kept.add(part)
    return Report(kept.findings(), dict(kept.counts), len(corpus.ids), moment(now), compared=encoder is not None)


def _of_entries(
    stored: Iterable[Stored], corpus: Corpus, follow_ups: "_FollowUps", lengths: Lengths | None, now: datetime
) -> Iterator[list[Finding]]:
    """The findings of each batch of entries by themselves; adds the entries to `corpus` and `follow_ups`."""
    for batch in batches(stored, BATCH):
        for item in batch:
            follow_ups.add(item.entry)
        kept = [item for item in batch if item.entry.state != "archived"]
        if kept:
            corpus.add([item.entry for item in kept])
        parts = (findings_of(item.entry, now, item.created_at, lengths) for item in kept)
        yield list(chain.from_iterable(parts))


def findings_of(entry: Entry, now: datetime, created_at: datetime | None, lengths: Lengths | None) -> list[Finding]:
    """What is wrong with an entry by itself."""
    flaws = flaws_of(entry, now, created_at)
    findings = [finding(flaw.kind, flaw.message, [mention(entry.id, flaw.text)]) for flaw in flaws]
    return findings + ([*_cut(entry, lengths)] if lengths else [])


def dead_follow_up(entry_id: str, name: str, reason: str) -> Finding:
    """The finding of a follow-up that leads to no entry that answers."""
    message = f"The follow-up `{name}` {reason}, so it is not shown."
    return finding("dead_follow_up", message, [mention(entry_id, name)])


def _cut(entry: Entry, lengths: Lengths) -> Iterator[Finding]:
    lists = {"alternatives": entry.alternatives, "negatives": entry.negatives}
    for name, limit in lengths.cut(entry.question, lists, entry.plain_answer).items():
        message = f"`{name}` is longer than the {limit:,} tokens that the encoder reads."
        yield finding("beyond_encoder", message, [mention(entry.id, entry.question or entry.answer)])


class _FollowUps:
    """Collects which entries may be followed up to, and the follow-ups of all entries."""

    def __init__(self, now: datetime) -> None:
        self._now = now
        self._unfit: dict[str, str | None] = {}
        self._wanted: list[tuple[str, tuple[str, ...]]] = []

    def add(self, entry: Entry) -> None:
        self._unfit[entry.id] = unfit_follow_up(entry, self._now)
        if entry.follow_ups and entry.state != "archived":
            self._wanted.append((entry.id, entry.follow_ups))

    def findings(self) -> Iterator[Finding]:
        for entry_id, names in self._wanted:
            for name in names:
                if reason := self._unfit.get(name, unfit_follow_up(None, self._now)):
                    yield dead_follow_up(entry_id, name, reason)


class _Kept:
    """Counts findings, and keeps the first KEPT of each kind in the order of a report."""

    def __init__(self) -> None:
        self.counts: Counter[Kind] = Counter()
        self._kept: dict[str, list[Finding]] = {}

    def add(self, findings: Iterable[Finding]) -> None:
        for item in findings:
            self.counts[item.kind] += 1
            kept = self._kept.setdefault(item.kind, [])
            kept.append(item)
            if len(kept) > 2 * KEPT:
                kept[:] = _first(kept)

    def findings(self) -> list[Finding]:
        first = chain.from_iterable(map(_first, self._kept.values()))
        return sorted(first, key=lambda item: item.key)


def _first(findings: Sequence[Finding]) -> list[Finding]:
    return heapq.nsmallest(KEPT, findings, key=lambda item: item.key)
