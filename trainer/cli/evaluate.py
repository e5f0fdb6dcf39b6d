"""The commands `evaluate` and `compare`."""

from pathlib import Path
from typing import Annotated, Literal

import typer

Protocol = Literal["answers", "tutorial"]


def evaluate(
    bundle: Annotated[Path, typer.Option(help="Directory of a bundle or of a run.")],
    queries: Annotated[
        list[Path], typer.Option(help="File of questions, each with `faq_id`, `answer` or `label`; repeatable.")
    ],
    index: Annotated[Path, typer.Option(help="FAQ file with the entries to search.")],
    protocol: Annotated[Protocol, typer.Option(help="Evaluation protocol; see docs/evaluation.md.")] = "answers",
    json_: Annotated[Path | None, typer.Option("--json", help="Also write all figures to this file.")] = None,
    compare: Annotated[bool, typer.Option("--base/--no-base", help="Also measure the base model.")] = True,
    by: Annotated[
        list[str] | None, typer.Option(help="Slice by a tag of the queries or a metadata field of the FAQ; repeatable.")
    ] = None,
    worst: Annotated[int, typer.Option(min=0, help="Number of lowest ranked questions to list.")] = 0,
) -> None:
    """Measure a bundle and the base model that it was trained from, side by side."""
    from trainer.reports import tables

    report = tables.side_by_side(bundle, queries, index, protocol, compare, by or (), worst)
    if json_ is not None:
        tables.write_json(report, json_)
    tables.show(report)


def compare(
    a: Annotated[str, typer.Argument(help="The first: directory of a bundle or of a run, or name of a run.")],
    b: Annotated[str, typer.Argument(help="The second, in the same forms.")],
    queries: Annotated[
        list[Path], typer.Option(help="File of questions, each with `faq_id`, `answer` or `label`; repeatable.")
    ],
    index: Annotated[Path, typer.Option(help="FAQ file with the entries to search.")],
    by: Annotated[
        list[str] | None, typer.Option(help="Slice by a tag of the queries or a metadata field of the FAQ; repeatable.")
    ] = None,
    top: Annotated[
        int, typer.Option(min=0, help="Number of questions to show that got better, and of those that got worse.")
    ] = 10,
    json_: Annotated[
        Path | None, typer.Option("--json", help="Also write all figures and every question to this file.")
    ] = None,
) -> None:
    """Compare two bundles or runs on the same questions, with significance tests."""
    from trainer.reports import compare as comparing
    from trainer.reports import tables

    comparison = comparing.compare(a, b, queries, index, by or ())
    if json_ is not None:
        tables.write_json(comparison, json_)
    comparing.show(comparison, top)
