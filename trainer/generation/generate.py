"""Generation of queries for passages, in a directory of TSV parts and state.json: `python -m trainer generate`.

After every batch state.json records the number of batches done and the pairs that are in no part yet. Batches and their
seeds depend only on the passages and the request, so a resumed run makes the same queries as an uninterrupted one.
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
from app.text.limits import QUESTION_LENGTH
from app.text.normalize import normalize
from trainer.data import generated_parts as parts
from trainer.data.generated_parts import Asked
from trainer.generation.generators import QueryGenerator, batches, load_generator
from trainer.generation.roundtrip import RoundTrip
from trainer.generation.sampling import Sampling
from trainer.training.callbacks import stopping
from trainer.training.loop import Interrupted, progress_bar

STATE = "state.json"
RANKS = (1, 3, 10, 100)  # at which the report counts the passages found by their queries

log = logging.getLogger("trainer")


@dataclass(frozen=True)
class Request:
    """The settings of a generation. `round_trip`: the worst rank at which a query may find its passage; 0: any."""

    model: str
    endpoint: str | None = None
    sampling: Sampling = field(default_factory=Sampling)
    round_trip: int = 0
    encoder: str = ""

    def check(self) -> None:
        """Raises InputError with the name of the first invalid field."""
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
        """SHA-256 of everything that the queries depend on."""
        content = [asdict(self), list(passages)]
        return hashlib.sha256(json.dumps(content, ensure_ascii=False).encode()).hexdigest()


@dataclass
class State:
    """The progress of a directory. `rest`: pairs for the next part; `counts`: of queries by what happened to them."""

    digest: str
    batches: int = 0
    parts: int = 0
    finished: bool = False
    rest: list[Asked] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)

    @classmethod
    def of(cls, directory: Path, digest: str) -> "State":
        """The state in the directory, or a new one. Raises Conflict for a directory of another request, InputError."""
        path = directory / STATE
        if not path.is_file():
            if directory.is_dir() and any(directory.iterdir()):
                raise Conflict(f"{directory} is not empty. Choose another --out.")
            return cls(digest)
        try:
            saved: dict[str, Any] = json.loads(path.read_bytes())
            rest = [Asked(*pair) for pair in saved["rest"]]
            state = cls(**{**saved, "rest": rest, "counts": Counter(saved["counts"])})
        except (OSError, ValueError, TypeError, KeyError) as error:
            raise InputError(f"{path} cannot be read: {error}", "out") from error
        if state.digest != digest:
            raise Conflict(
                f"{directory} holds queries of other passages, of another model or with other settings. "
                "Choose another --out, or repeat the command that began it."
            )
        return state

    def save(self, directory: Path) -> None:
        """Write the full parts, then state.json. Writing a part twice gives the same file."""
        while len(self.rest) >= parts.PAIRS or (self.finished and self.rest):
            parts.write(directory, self.parts, self.rest[: parts.PAIRS])
            self.rest, self.parts = self.rest[parts.PAIRS :], self.parts + 1
        durable.write(directory / STATE, json.dumps(vars(self), ensure_ascii=False))


def generate(passages: Sequence[str], request: Request, out: Path) -> State:
    """Generate what `out` lacks. Raises Interrupted, Conflict, InputError, EndpointUnavailable and keeps all parts."""
    state = State.of(out, request.digest(passages))
    out.mkdir(parents=True, exist_ok=True)
    if not state.finished:
        with progress_bar() as progress:
            _Work(passages, request, out, state, load_generator(request.model, request.endpoint)).run(progress)
    log.info(report(state, request))
    return state


def report(state: State, request: Request) -> str:
    """The counts of the queries in sentences."""
    counts = state.counts
    summary = (
        f"{counts['asked']:,} queries were made; {counts['empty']:,} were empty and {counts['repeated']:,} repeated "
        f"another query of their passage. {counts['kept']:,} pairs were written, in {state.parts} parts."
    )
    if not request.round_trip or not counts["tried"]:
        return summary
    shares = ", ".join(f"{counts[f'at_{rank}'] / counts['tried']:.1%} at rank {rank}" for rank in RANKS)
    kept = f"{counts['kept'] / counts['tried']:.1%}"
    return f"{summary} Round trip: {kept} were kept. Queries that found their passage: {shares}."


@dataclass
class _Work:
    """The generation of one directory."""

    passages: Sequence[str]
    request: Request
    out: Path
    state: State
    generator: QueryGenerator

    def run(self, progress: Progress) -> None:
        stop: list[bool] = []
        task = progress.add_task("generating", total=len(self.passages))
        trip = RoundTrip(self.passages, self.request.encoder) if self.request.round_trip else None
        with stopping(lambda: stop.append(True)):
            for number, batch in enumerate(batches(self.passages, self.generator, self.request.sampling)):
                if number >= self.state.batches:
                    self._batch(number, batch, trip)
                self._show(progress, task, len(batch))
                if stop:
                    raise Interrupted(
                        f"Interrupted. {self.out} keeps the queries made so far; the same command resumes."
                    )
        self.state.finished = True
        self.state.save(self.out)

    def _batch(self, number: int, batch: Sequence[int], trip: RoundTrip | None) -> None:
        seed = int.from_bytes(hashlib.sha256(f"{self.request.sampling.seed}/{number}".encode()).digest()[:4], "big")
        generated = self.generator.generate([self.passages[i] for i in batch], self.request.sampling, seed)
        pairs = [(query, i) for i, queries in zip(batch, generated, strict=True) for query in self._clean(queries)]
        if trip is not None:
            pairs = self._returned(pairs, trip)
        self.state.rest += [Asked(query, self.passages[i]) for query, i in pairs]
        self.state.counts["kept"] += len(pairs)
        self.state.batches = number + 1
        self.state.save(self.out)

    def _clean(self, queries: Sequence[str]) -> list[str]:
        """The usable queries of one passage, each once."""
        kept: dict[str, str] = {}
        for query in map(parts.flat, queries):
            self.state.counts["asked"] += 1
            if not any(letter.isalnum() for letter in query) or len(query) > QUESTION_LENGTH:
                self.state.counts["empty"] += 1
            elif kept.setdefault(normalize(query), query) is not query:
                self.state.counts["repeated"] += 1
        return list(kept.values())

    def _returned(self, pairs: Sequence[tuple[str, int]], trip: RoundTrip) -> list[tuple[str, int]]:
        """The pairs whose query finds its passage."""
        ranks = trip.ranks([query for query, _ in pairs], [i for _, i in pairs])
        self.state.counts["tried"] += len(pairs)
        for limit in RANKS:
            self.state.counts[f"at_{limit}"] += sum(rank <= limit for rank in ranks)
        return [pair for pair, rank in zip(pairs, ranks, strict=True) if rank <= self.request.round_trip]

    def _show(self, progress: Progress, task: TaskID, count: int) -> None:
        progress.update(task, advance=count, description=f"generating, {self.state.counts['kept']:,} pairs")
