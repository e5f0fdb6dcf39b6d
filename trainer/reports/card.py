"""The model card, README.md in a run's directory, for everyone who receives the model."""

import json
import shlex
from collections.abc import Sequence

from app import durable
from app.encoding.bundle import Manifest
from trainer.reports.explained import Figure, data_rows
from trainer.reports.results import Results
from trainer.runs import BUNDLE, Run

CARD = "README.md"


def write(run: Run, results: Results, manifest: Manifest, shown: Sequence[Figure], plots: Sequence[str]) -> None:
    """Write the card. `plots` are the names of the drawings in plots/."""
    parts = [
        _head(manifest),
        _what(manifest, results),
        _figures(shown, "before-after" in plots),
        _data(run, results, manifest),
        _use(run),
        _limits(),
    ]
    durable.write(run.directory / CARD, "\n\n".join(parts) + "\n")


def publish_command(run: Run) -> str:
    """The command that publishes this run's bundle."""
    return f"python -m trainer publish --bundle {shlex.quote(str((run.directory / BUNDLE).resolve()))}"


def _head(manifest: Manifest) -> str:
    """The YAML front matter that model hubs read."""
    fields = {
        "base_model": manifest.base_model,
        "pipeline_tag": "sentence-similarity",
        "library_name": "faqtual",
        "tags": ["faq", "retrieval", "onnx"],
    }
    lines = [f"{key}: {json.dumps(value, ensure_ascii=False)}" for key, value in fields.items()]  # JSON is valid YAML
    return "\n".join(["---", *lines, "---"])


def _what(manifest: Manifest, results: Results) -> str:
    encoding = manifest.encoding
    origin = results.note or f"Fine-tuned from `{manifest.base_model}` on one FAQ with the recipe `{manifest.recipe}`."
    return f"""# FAQ encoder {manifest.revision}

{origin} It encodes questions and answers as vectors of {encoding.dimension} numbers; a question and its answer have a
high {encoding.similarity} similarity. It reads at most {encoding.max_tokens} tokens of a text at once. `bundle/` is the
ONNX model ({encoding.precision}) with tokenizer, ranking and calibrated confidence, ready to serve; `model/`, if
present, is the same model for sentence-transformers."""


def _figures(shown: Sequence[Figure], drawn: bool) -> str:
    if not shown:
        return "## Figures\n\nNo questions could be held out, so nothing was measured."
    names = [name for name, _ in shown[0].bars]
    rows = [
        f"| {figure.name} | {' | '.join(f'{share.value:.1%}' for _, share in figure.bars)} | {figure.note} |"
        for figure in shown
    ]
    table = "\n".join([f"| | {' | '.join(names)} | |", "|---" * (len(names) + 2) + "|", *rows])
    picture = "\n\n![Before and after](plots/before-after.svg)" if drawn else ""
    return f"## Figures\n\nOn held-out questions, which are not in the training data:\n\n{table}{picture}"


def _data(run: Run, results: Results, manifest: Manifest) -> str:
    rows = "\n".join(f"- {name}: {value}" for name, value in data_rows(run, results, manifest))
    digest = (
        f"\n- SHA-256 of the training data: `{manifest.training_data_sha256}`" if manifest.training_data_sha256 else ""
    )
    return f"## Data\n\n{rows}{digest}"


def _use(run: Run) -> str:
    return f"## Use\n\n```sh\n{publish_command(run)}\n```\n\n`report.html` shows the change of each question."


def _limits() -> str:
    return """## Limits

The model is trained for this FAQ. On other subjects expect at best the quality of the base model, and no meaningful
confidence. The confidence and its threshold were fitted on the held-out questions above, so those figures are slightly
too good."""
