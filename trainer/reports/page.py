"""report.html: what a run changed, for the people who own the FAQ. A pure function of the run's directory.

One file that asks for nothing: styles and plots are in it, there is no script, and texts of the FAQ are escaped.
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
FEW, MANY = 3, 60  # questions of a list that are shown, and that can be unfolded
MAIN_METRICS = ("precision@1", "mrr", "ndcg@10", "recall@10")


@dataclass(frozen=True)
class Plot:
    """A drawing, the name of its file, and what to see in it."""

    name: str
    svg: str
    caption: str = ""


def write(run: Run) -> Path:
    """Write report.html, the plots and the model card. Raises InputError where the run's files do not allow it."""
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
    """The page."""
    environment = Environment(autoescape=True, undefined=StrictUndefined)
    environment.filters |= {"shortened": shortened, "percent": lambda value: f"{value:.0%}"}
    found = findings(results)
    return environment.from_string(_text("page.html")).render(
        name=run.directory.resolve().name,
        css=_text("page.css"),
        results=results,
        manifest=manifest,
        found=found,
        verdict=explained.verdict(results, found),
        figures=explained.figures(results),
        metric_rows=explained.metric_rows(results),
        parts=explained.parts(found),
        checks=explained.checks(manifest),
        data=explained.data_rows(run, results, manifest),
        sections=sections,
        import_command=f"python -m app import {shlex.quote(str(run.config.get('data')))} --mode replace",
        publish_command=card.publish_command(run),
        few=FEW,
        many=MANY,
    )


def certainty(results: Results) -> list[Plot]:
    """How sure the model is, and how rightly."""
    after = [one.after for one in results.questions]
    if not after:
        return []
    before = [one.before for one in results.questions if one.before is not None]
    found = [
        Plot(
            "confidence",
            plots.confidences(after, results.after.threshold),
            "Right answers should lie to the right of the dashed line, wrong ones to its left.",
        ),
        Plot(
            "reliability",
            certainty_plots.reliability(after),
            "Of the answers of which it is 80% sure, 80% should be right. Bars: 95% intervals.",
        ),
        Plot(
            "tradeoff",
            certainty_plots.tradeoff(after, results.after.threshold),
            "A higher threshold goes left along the line: fewer answers, more of them right.",
        ),
    ]
    systems = [("before", "base model", before), ("after", "fine-tuned" if before else "base model", after)]
    drawn = [system for system in systems if system[2]]
    bins = plots.score_bins([places for _, _, places in drawn])
    captions = ["", "The further apart right and wrong lie, the better the score tells them apart."]
    for (name, title, places), caption in zip(drawn, captions[-len(drawn) :], strict=True):
        found.append(Plot(f"scores-{name}", plots.scores(places, f"Scores, {title}", bins), caption))
    return found


def training(measured: History) -> list[Plot]:
    """Loss and learning rate over the steps."""
    found = []
    if curve := measured.steps.get("loss"):
        caption = (
            "How hard it still is to tell each right answer from the others of its batch. It should fall and level off."
        )
        found.append(Plot("loss", plots.loss(curve), caption))
    if curve := measured.steps.get("learning_rate"):
        found.append(Plot("learning-rate", plots.learning_rate(curve), "How large each step was."))
    return found


def metrics(measured: History) -> list[Plot]:
    """Each metric by epoch, the best known ones first."""

    def order(item: tuple[str, Curve]) -> tuple[int, str]:
        return (MAIN_METRICS.index(item[0]) if item[0] in MAIN_METRICS else len(MAIN_METRICS), item[0])

    return [
        Plot(f"metric-{name.replace('@', '-')}", plots.metric(explained.metric_name(name), curve))
        for name, curve in sorted(measured.epochs.items(), key=order)
    ]


def before_after(shown: list[Figure]) -> list[Plot]:
    """The bars of the figures, for the model card; the page has its own."""
    rows = [(one.name, one.bars[0][1].value if len(one.bars) > 1 else None, one.bars[-1][1].value) for one in shown]
    return [Plot("before-after", plots.before_after(rows))] if rows else []


def _manifest(path: Path) -> Manifest:
    try:
        return Manifest.model_validate_json(path.read_bytes())
    except (OSError, ValueError) as error:
        raise InputError(f"{path} cannot be used: {str(error).splitlines()[0]}") from error


def _text(name: str) -> str:
    return files("trainer.reports").joinpath(name).read_text("utf-8")
