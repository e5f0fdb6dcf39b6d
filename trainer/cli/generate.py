"""The command `generate`."""

from pathlib import Path
from typing import Annotated

import typer


def generate(
    model: Annotated[str, typer.Option(help="Generator: a sequence-to-sequence model, or the URL of an endpoint.")],
    passages: Annotated[Path, typer.Option(help="A FAQ, CSV, text, Markdown or HTML file, or a directory of them.")],
    out: Annotated[Path, typer.Option(help="Output directory for TSV files. Run the same command again to resume.")],
    endpoint: Annotated[
        str | None, typer.Option(help="URL of an OpenAI-compatible endpoint; --model names its model.")
    ] = None,
    queries_per_passage: Annotated[int, typer.Option(help="Queries to sample per passage.")] = 3,
    top_p: Annotated[
        float, typer.Option(help="Nucleus sampling: draw from the likeliest tokens with this total probability.")
    ] = 0.95,
    top_k: Annotated[int, typer.Option(help="Draw from this many of the likeliest tokens. 0: all.")] = 50,
    temperature: Annotated[
        float, typer.Option(help="Sampling temperature; below 1 likely tokens are drawn more often.")
    ] = 1.0,
    round_trip: Annotated[
        int, typer.Option(help="Keep a query if it finds its passage among this many. 0: keep all.")
    ] = 0,
    encoder: Annotated[
        str | None, typer.Option(help="Bi-encoder of the round trip. Unset: the default base model.")
    ] = None,
    length: Annotated[int | None, typer.Option(min=1, help="Most characters per passage.")] = None,
    seed: Annotated[int, typer.Option(help="Random seed of the sampling.")] = 0,
) -> None:
    """Generate queries for passages. Prints the output directory as the last line."""
    from trainer.generation import generate as generating
    from trainer.generation import passages as reading
    from trainer.generation.sampling import Sampling
    from trainer.training.model import DEFAULT_BASE

    sampling = Sampling(queries_per_passage, top_p, top_k, temperature, seed)
    request = generating.Request(model, endpoint, sampling, round_trip, encoder or DEFAULT_BASE)
    request.check()
    generating.generate(reading.read(passages, length or reading.LENGTH), request, out)
    typer.echo(out)
