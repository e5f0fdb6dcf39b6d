"""The command `generate`."""

from pathlib import Path
from typing import Annotated

import typer


def generate(
    model: Annotated[str, typer.Option(help="What asks: a sequence-to-sequence model, or a URL.")],
    passages: Annotated[Path, typer.Option(help="FAQ, CSV, text, Markdown, HTML, or a directory of them.")],
    out: Annotated[Path, typer.Option(help="Where the TSV parts go; the same again carries on.")],
    endpoint: Annotated[str | None, typer.Option(help="An OpenAI-compatible URL; --model is its model's name.")] = None,
    queries_per_passage: Annotated[int, typer.Option(help="Sampled for each passage.")] = 3,
    top_p: Annotated[float, typer.Option(help="Draw from the words that make up this probability.")] = 0.95,
    top_k: Annotated[int, typer.Option(help="Of them the likeliest so many; 0: all.")] = 50,
    temperature: Annotated[float, typer.Option(help="Below 1: likelier words more often.")] = 1.0,
    round_trip: Annotated[int, typer.Option(help="Keep what finds its passage at this rank. 0: keep all.")] = 0,
    encoder: Annotated[str | None, typer.Option(help="The bi-encoder of the round trip; unset: the base.")] = None,
    length: Annotated[int | None, typer.Option(min=1, help="Most characters of a passage.")] = None,
    seed: Annotated[int, typer.Option(help="Of the sampling.")] = 0,
) -> None:
    """Make queries for passages that nobody has asked about. The last line printed is the directory."""
    from trainer.generation import generate as generating
    from trainer.generation import passages as reading
    from trainer.generation.sampling import Sampling
    from trainer.training.model import DEFAULT_BASE

    sampling = Sampling(queries_per_passage, top_p, top_k, temperature, seed)
    request = generating.Request(model, endpoint, sampling, round_trip, encoder or DEFAULT_BASE)
    request.check()
    generating.generate(reading.read(passages, length or reading.LENGTH), request, out)
    typer.echo(out)
