"""report.html: what a run changed, for the owners of the FAQ. It depends on the run's directory alone.

The page is one file that loads nothing: it contains its styles and plots and no script, and escapes the FAQ's texts.
"""

import shlex
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

from jinja2 import Environment, StrictUndefined

from app import durable
from app.encoding.bundle import MANIFEST, Manifest
from app.errors import InputError
from trainer.reports import card, drawing, explained, history, plots
from trainer.reports import certainty as certainty_plots
from trainer.reports.explained import Figure
from trainer.reports.findings import findings
from trainer.reports.history import Curve, History
from trainer.reports.results import Results, shortened
from trainer.runs import BUNDLE, Run

REPORT, PLOTS = "report.html", "plots"
FEW, MANY = 3, 60  # questions of a list that are visible, and with those that can be unfolded
MAIN_METRICS = ("precision@1", "mrr", "ndcg@10", "recall@10")


@dataclass(frozen=True)
class Plot:
    """A drawing, the name of its file, and a sentence on how to read it."""

    name: str
    svg: str
    caption: str = ""


def write(run: Run) -> Path:
    """Write report.html, the plots and the model card. Raises InputError when the run's files are missing or broken."""
    results, manifest = Results.read(run.directory), _manifest(run.directory / BUNDLE / MANIFEST)
    shown, measured = explained.figures(results), history.read(run.directory)
    sections = {"certainty": certainty(results), "training": training(measured), "metrics": metrics(measured)}
    drawn = [*(plot for section in sections.values() for plot in section), *before_after(shown)]
    (run.directory / PLOTS).mkdir(exist_ok=True)
    for plot in drawn:
        durable.write(run.directory / PLOTS / f"{plot.name}.svg", drawing.standalone(plot.svg))
    durable.write(run.directory / REPORT, render(run, results, manifest, sections))
    card.write(run, results, manifest, shown, [plot.name for plot in drawn])
    return run.directory / REPORT


def render(run: Run, results: Results, manifest: Manifest, sections: dict[str, list[Plot]]) -> str:
    """The HTML of the page."""
    environment = Environment(autoescape=True, undefined=StrictUndefined)
    environment.filters |= {"shortened": shortened, "percent": lambda value: f"{value:.0%}"}
    by_result, data = findings(results), run.config.get("data")
    return environment.from_string(_text("page.html")).render(
        name=run.directory.resolve().name,
        css=_text("page.css"),
        results=results,
        manifest=manifest,
        by_result=by_result,
        verdict=explained.verdict(results, by_result),
        figures=explained.figures(results),
        metric_rows=explained.metric_rows(results),
        parts=explained.parts(by_result),
        checks=explained.checks(manifest),
        data=explained.data_rows(run, results, manifest),
        sections=sections,
        import_command=f"python -m app import {shlex.quote(data)} --mode replace" if data else None,
        publish_command=card.publish_command(run),
        few=FEW,
        many=MANY,
    )


def certainty(results: Results) -> list[Plot]:
    """The plots of confidences and scores; none where nothing was held out."""
    before, after, threshold = results.places_before, results.places_after, results.after.threshold
    if not after:
        return []
    bins = plots.score_bins([places for places in (before, after) if places])
    scores = [Plot("scores-before", plots.scores(before, "Scores, base model", bins))] if before else []
    return [
        Plot(
            "confidence",
            plots.confidences(after, threshold),
            "The service gives the answers to the right of the dashed line. They should be right; wrong ones should be "
            "to its left.",
        ),
        Plot(
            "reliability",
            certainty_plots.reliability(after),
            "Of the answers with a confidence of 80%, 80% should be right. Vertical lines are 95% intervals.",
        ),
        Plot(
            "tradeoff",
            certainty_plots.tradeoff(after, threshold),
            "A higher threshold moves the dot to the left: fewer questions answered, more of the answers right.",
        ),
        *scores,
        Plot(
            "scores-after",
            plots.scores(after, "Scores, fine-tuned" if before else "Scores, base model", bins),
            "The less right and wrong answers overlap, the better the score separates them.",
        ),
    ]


def training(measured: History) -> list[Plot]:
    """The plots of loss and learning rate over the steps, as far as they were recorded."""
    kinds = [
        ("loss", plots.loss, "How hard it is to pick each right answer in its batch. Stage 2 has harder batches."),
        ("learning_rate", plots.learning_rate, "How large each training step was."),
    ]
    return [
        Plot(name.replace("_", "-"), draw(measured.steps[name]), caption)
        for name, draw, caption in kinds
        if name in measured.steps
    ]


def metrics(measured: History) -> list[Plot]:
    """A plot of each metric over the epochs, the main metrics first."""

    def order(item: tuple[str, Curve]) -> tuple[int, str]:
        return (MAIN_METRICS.index(item[0]) if item[0] in MAIN_METRICS else len(MAIN_METRICS), item[0])

    return [
        Plot(f"metric-{name.replace('@', '-')}", plots.metric(explained.metric_name(name), curve))
        for name, curve in sorted(measured.epochs.items(), key=order)
    ]


def before_after(shown: list[Figure]) -> list[Plot]:
    """The figures as a plot of bars for the model card; the page draws them in HTML."""
    shares = [(figure.name, [share.value for _, share in figure.bars]) for figure in shown]
    rows = [(name, values[0] if len(values) > 1 else None, values[-1]) for name, values in shares]
    return [Plot("before-after", plots.before_after(rows))] if rows else []


def _manifest(path: Path) -> Manifest:
    try:
        return Manifest.model_validate_json(path.read_bytes())
    except (OSError, ValueError) as error:
        raise InputError(f"{path} cannot be used: {str(error).splitlines()[0]}") from error


def _text(name: str) -> str:
    return files("trainer.reports").joinpath(name).read_text("utf-8")
