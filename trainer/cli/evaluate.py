"""The commands `evaluate` and `compare`."""

from pathlib import Path
from typing import Annotated, Literal

import typer

Protocol = Literal["answers", "tutorial"]


def evaluate(
    bundle: Annotated[Path, typer.Option(help="The bundle's directory, or a run's.")],
    queries: Annotated[
        list[Path], typer.Option(help="Questions, each with `faq_id`, `answer` or `label`; repeatable.")
    ],
    index: Annotated[Path, typer.Option(help="The FAQ whose entries are searched.")],
    protocol: Annotated[Protocol, typer.Option(help="What is searched for what; see docs/evaluation.md.")] = "answers",
    json_: Annotated[Path | None, typer.Option("--json", help="Write all figures there too.")] = None,
    compare: Annotated[bool, typer.Option("--base/--no-base", help="Measure the base model beside it.")] = True,
    by: Annotated[list[str] | None, typer.Option(help="Slice by a tag of the queries or a field of the FAQ.")] = None,
    worst: Annotated[int, typer.Option(min=0, help="List so many of the questions that went most wrong.")] = 0,
) -> None:
    """Measure a bundle, side by side with the base model that it was made from."""
    from trainer.reports import tables

    report = tables.side_by_side(bundle, queries, index, protocol, compare, by or (), worst)
    if json_ is not None:
        tables.write_json(report, json_)
    tables.show(report)


def compare(
    a: Annotated[str, typer.Argument(help="Before: a bundle's directory, a run's, or a run's name.")],
    b: Annotated[str, typer.Argument(help="After: likewise.")],
    queries: Annotated[
        list[Path], typer.Option(help="Questions, each with `faq_id`, `answer` or `label`; repeatable.")
    ],
    index: Annotated[Path, typer.Option(help="The FAQ whose entries are searched.")],
    by: Annotated[list[str] | None, typer.Option(help="Slice by a tag of the queries or a field of the FAQ.")] = None,
    top: Annotated[int, typer.Option(min=0, help="How many questions to show that got better, and worse.")] = 10,
    json_: Annotated[Path | None, typer.Option("--json", help="Write all figures and every question there.")] = None,
) -> None:
    """Two bundles or runs on the same questions: which got better, which worse, and whether that may be chance."""
    from trainer.reports import compare as comparing
    from trainer.reports import tables

    comparison = comparing.compare(a, b, queries, index, by or ())
    if json_ is not None:
        tables.write_json(comparison, json_)
    comparing.show(comparison, top)
