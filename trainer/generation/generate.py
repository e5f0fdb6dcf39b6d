"""Passages in, TSV parts of queries and passages out: `python -m trainer generate`.

After every batch the state is written down: how many batches are done, and the pairs that no part holds yet. Batches
and the seed of each depend on the passages and on what was asked for alone, so an interrupted run carries on with the
queries that it would have made. The directory holds nothing else: state.json and the parts.
"""

import hashlib
import json
import logging
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from rich.progress import Progress, TaskID

from app import durable
from app.errors import Conflict, InputError
from app.knowledge.text import QUESTION_LENGTH
from app.retrieval.normalize import normalize
from trainer.generation import parts
from trainer.generation.asking import Asker, asker_of, batches
from trainer.generation.parts import Asked
from trainer.generation.roundtrip import RoundTrip
from trainer.generation.sampling import Sampling
from trainer.training.callbacks import stopping
from trainer.training.loop import Interrupted, progress_bar

STATE = "state.json"
RANKS = (1, 3, 10, 100)  # at which the report counts what comes back

log = logging.getLogger("trainer")


@dataclass(frozen=True)
class Request:
    """What is to be generated. `round_trip`: the rank at which a query must find its passage; 0: whichever."""

    model: str
    endpoint: str | None = None
    sampling: Sampling = field(default_factory=Sampling)
    round_trip: int = 0
    encoder: str = ""

    def check(self) -> None:
        """Raises InputError naming the field that makes no sense."""
        sampling = self.sampling
        wrong = {
            "queries_per_passage": sampling.queries < 1,
            "top_p": not 0 < sampling.top_p <= 1,
            "top_k": sampling.top_k < 0,
            "temperature": sampling.temperature <= 0,
            "round_trip": self.round_trip < 0,
        }
        if bad := [name for name, is_wrong in wrong.items() if is_wrong]:
            raise InputError(f"{bad[0]} must be positive, and top_p at most 1", bad[0])

    def digest(self, passages: Sequence[str]) -> str:
        """Of everything that the queries depend on."""
        content = [asdict(self), list(passages)]
        return hashlib.sha256(json.dumps(content, ensure_ascii=False).encode()).hexdigest()


@dataclass
class State:
    """How far a directory is. `rest`: pairs that wait for the next part; `counts`: what became of the queries."""

    digest: str
    batches: int = 0
    parts: int = 0
    finished: bool = False
    rest: list[Asked] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)

    @classmethod
    def of(cls, directory: Path, digest: str) -> "State":
        """What the directory holds, or a beginning. Raises Conflict when it was made otherwise."""
        path = directory / STATE
        if not path.is_file():
            if directory.is_dir() and any(directory.iterdir()):
                raise Conflict(f"{directory} is not empty. Choose another --out.")
            return cls(digest)
        try:
            found: dict[str, Any] = json.loads(path.read_bytes())
            state = cls(**{**found, "rest": [Asked(*one) for one in found["rest"]], "counts": Counter(found["counts"])})
        except (OSError, ValueError, TypeError, KeyError) as error:
            raise InputError(f"{path} cannot be read: {error}", "out") from error
        if state.digest != digest:
            raise Conflict(
                f"{directory} holds queries of other passages, of another model or with other settings. "
                "Choose another --out, or ask for the same."
            )
        return state

    def save(self, directory: Path) -> None:
        """Write the full parts, then state.json. A part that is written again is the same again."""
        while len(self.rest) >= parts.PAIRS or (self.finished and self.rest):
            parts.write(directory, self.parts, self.rest[: parts.PAIRS])
            self.rest, self.parts = self.rest[parts.PAIRS :], self.parts + 1
        durable.write(directory / STATE, json.dumps(vars(self), ensure_ascii=False))


def generate(passages: Sequence[str], request: Request, out: Path) -> State:
    """Do all that is left to do. Raises Interrupted, Conflict, InputError, EndpointUnavailable; what is done stays."""
    state = State.of(out, request.digest(passages))
    out.mkdir(parents=True, exist_ok=True)
    if not state.finished:
        with progress_bar() as progress:
            _Work(passages, request, out, state, asker_of(request.model, request.endpoint)).carry_out(progress)
    log.info(report(state, request))
    return state


def report(state: State, request: Request) -> str:
    """What became of the queries, in a sentence or two."""
    counts = state.counts
    made = f"{counts['asked']:,} queries were made; {counts['empty']:,} were empty and {counts['repeated']:,} repeated"
    made += f" another of their passage. {counts['kept']:,} pairs were written, in {state.parts} parts."
    if not request.round_trip or not counts["tried"]:
        return made
    shares = ", ".join(f"{counts[f'at_{rank}'] / counts['tried']:.1%} at rank {rank}" for rank in RANKS)
    return f"{made} Round trip: {counts['kept'] / counts['tried']:.1%} kept; their passage was found by {shares}."


@dataclass
class _Work:
    """The generation of one directory."""

    passages: Sequence[str]
    request: Request
    out: Path
    state: State
    asker: Asker

    def carry_out(self, progress: Progress) -> None:
        stop: list[bool] = []
        task = progress.add_task("generating", total=len(self.passages))
        trip = RoundTrip(self.passages, self.request.encoder) if self.request.round_trip else None
        with stopping(lambda: stop.append(True)):
            for number, batch in enumerate(batches(self.passages, self.asker, self.request.sampling)):
                if number >= self.state.batches:
                    self._batch(number, batch, trip)
                self._show(progress, task, len(batch))
                if stop:
                    raise Interrupted(
                        f"Interrupted; {self.out} keeps what was made. The same command goes on from there."
                    )
        self.state.finished = True
        self.state.save(self.out)

    def _batch(self, number: int, batch: Sequence[int], trip: RoundTrip | None) -> None:
        seed = int.from_bytes(hashlib.sha256(f"{self.request.sampling.seed}/{number}".encode()).digest()[:4], "big")
        asked = self.asker.ask([self.passages[one] for one in batch], self.request.sampling, seed)
        found = [(query, one) for one, queries in zip(batch, asked, strict=True) for query in self._clean(queries)]
        if trip is not None:
            found = self._returned(found, trip)
        self.state.rest += [Asked(query, self.passages[one]) for query, one in found]
        self.state.counts["kept"] += len(found)
        self.state.batches = number + 1
        self.state.save(self.out)

    def _clean(self, queries: Sequence[str]) -> list[str]:
        kept: dict[str, str] = {}
        for query in map(parts.flat, queries):
            self.state.counts["asked"] += 1
            if not any(letter.isalnum() for letter in query) or len(query) > QUESTION_LENGTH:
                self.state.counts["empty"] += 1
            elif kept.setdefault(normalize(query), query) is not query:
                self.state.counts["repeated"] += 1
        return list(kept.values())

    def _returned(self, found: Sequence[tuple[str, int]], trip: RoundTrip) -> list[tuple[str, int]]:
        ranks = trip.ranks([query for query, _ in found], [one for _, one in found])
        self.state.counts["tried"] += len(found)
        for rank in RANKS:
            self.state.counts[f"at_{rank}"] += sum(one <= rank for one in ranks)
        return [one for one, rank in zip(found, ranks, strict=True) if rank <= self.request.round_trip]

    def _show(self, progress: Progress, task: TaskID, count: int) -> None:
        progress.update(task, advance=count, description=f"generating, {self.state.counts['kept']:,} pairs")
