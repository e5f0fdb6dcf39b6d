"""Choices judged on FAQs that they were not made on: base against `quick` and `default`, ranking and confidence.

    python -m benchmarks.generalize train [--cache DIR] [--seeds 0,1,2] [--rows sample:full,…] [--base MODEL]
    python -m benchmarks.generalize constants [--cache DIR] …
    python -m benchmarks.generalize table [--cache DIR] …
    python -m benchmarks.generalize adapt [--cache DIR] …

`train` is the costly part: it trains every set, its poor variant (one phrasing an entry) and its small one (40
entries), and keeps what the models make of all questions. It goes on where it was interrupted; several may run side by
side. `constants` prints what `app.ranking.prior` and `trainer.guard` hold. `table` leaves one family of sets out at a
time: guard and confidence come from the others. It writes benchmarks/results/generalize.json and .md, and
reliability diagrams to generalize.png. `adapt` writes adaptation.json and .md: see `benchmarks.generalize.adapting`.

The row `cloud folds` has five folds in place of seeds; nothing is chosen from it.

Features are of 32-bit models; a bundle's 8 bits are checked at every export. Sets that training refuses are served by
the base model, and are no evidence of what training gains.
"""

import argparse
import json
import logging
import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from benchmarks.generalize import adapting, diagrams, priors, tables
from benchmarks.generalize.cells import Features, Outdated
from benchmarks.generalize.sets import FOLD_COUNT, FOLDS, ROWS
from benchmarks.generalize.training import Cell, make
from benchmarks.places import RESULTS
from trainer.training import model

CACHE = Path(os.environ.get("XDG_CACHE_HOME", "~/.cache")).expanduser() / "faqtual" / "generalize"


def main(arguments: Sequence[str] | None = None) -> None:
    """Train, or print constants, or write a table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0] if __doc__ else None)
    parser.add_argument("what", choices=("train", "constants", "table", "adapt"))
    parser.add_argument("--cache", type=Path, default=CACHE)
    parser.add_argument("--seeds", default="0,1,2")
    parser.add_argument("--rows", default=",".join(f"{name}:{variant}" for name, variant in ROWS))
    parser.add_argument("--base", default=model.DEFAULT_BASE)
    parser.add_argument("--out", type=Path, default=RESULTS)
    options = parser.parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    try:
        _do(options)
    except Outdated as error:
        parser.exit(1, f"{error}\n")


def _do(options: argparse.Namespace) -> None:
    rows = [tuple(row.split(":")) for row in options.rows.split(",")]
    seeds = [int(seed) for seed in options.seeds.split(",")]
    cells = [Cell(name, variant, seed) for seed in seeds for name, variant in rows if variant != FOLDS]
    cells += [Cell(name, variant, i) for name, variant in rows if variant == FOLDS for i in range(FOLD_COUNT)]
    if options.what == "train":
        for cell in cells:
            make(cell, options.cache, options.base)
    elif options.what == "constants":
        constants(list(read(cells, options.cache)))
    elif options.what == "table":
        report, judged = tables.measured(list(read(cells, options.cache)))
        _write(options.out, "generalize", report, tables.page(report))
        diagrams.draw(judged, options.out / tables.DIAGRAMS)
    else:
        adapted = adapting.measured(list(read(cells, options.cache)))
        _write(options.out, "adaptation", adapted, adapting.page(adapted))


def _write(directory: Path, name: str, report: object, page: str) -> None:
    directory.mkdir(parents=True, exist_ok=True)
    (directory / f"{name}.json").write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    (directory / f"{name}.md").write_text(page, encoding="utf-8")
    print(page)


def read(cells: Sequence[Cell], cache: Path) -> Iterator[Features]:
    """The cells that the cache holds."""
    for cell in cells:
        if cell.path(cache).is_file():
            yield Features(cell, cache)


def constants(known: Sequence[Features]) -> None:
    """Print what all families together say."""
    print(priors.prior_of(priors.all_evidence(known)))
    print(priors.experience_of(priors.all_gains(known)))


if __name__ == "__main__":
    main()
