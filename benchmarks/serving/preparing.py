"""What the systems are asked, and the FAQ_HOME of Faqtual."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from random import Random

import numpy as np

from app.http.security import digest_of
from app.settings import Settings

PORTS = {"faqtual": 8100, "before": 8103, "plain": 8101, "infinity": 8102}
KEY = "benchmark"
DRAWS = 200_000  # questions by Zipf's law
OPENINGS = (
    "Please tell me: ",
    "Hello, ",
    "One question: ",
    "I would like to know: ",
    "Hi there, ",
    "Can you help? ",
    "Quick one: ",
    "Sorry to ask: ",
    "For my team: ",
    "Once more: ",
    "In short: ",
    "Just wondering: ",
)
ENDINGS = ("", " Thanks!")


def prepared(data: Path, work: Path) -> Settings:
    """A FAQ_HOME with the FAQ published, and the files of questions.

    distinct.txt, distinct.jsonl   the FAQ's questions with openings and endings, and the same as bodies of requests
    zipf.jsonl                     bodies of requests: the FAQ's questions, drawn by Zipf's law with exponent 1
    """
    work.mkdir(parents=True, exist_ok=True)
    settings = Settings(home=work / "home", port=PORTS["faqtual"], admin_keys=(digest_of(KEY),))
    questions = [" ".join(json.loads(line)["question"].split()) for line in data.read_text("utf-8").splitlines()]
    distinct = [opening + question + ending for opening in OPENINGS for question in questions for ending in ENDINGS]
    Random(0).shuffle(distinct)
    (work / "distinct.txt").write_text("\n".join(distinct), encoding="utf-8")
    _write_bodies(work / "distinct.jsonl", distinct)
    _write_bodies(work / "zipf.jsonl", (questions[number] for number in zipf(len(questions), DRAWS)))
    if not (work / "run" / "bundle" / "manifest.json").exists():
        command("trainer", "fit", "--data", str(data), "--epochs", "0", "--out", str(work / "run"))
    _publish(data, work, settings)
    return settings


def prepared_before(data: Path, work: Path, checkout: Path) -> Settings:
    """The home of another version, built by that version; only the cache of vectors is shared."""
    home = work / "home-before"
    shutil.rmtree(home, ignore_errors=True)
    shutil.copytree(work / "home" / "vectors", home / "vectors")
    settings = Settings(home=home, port=PORTS["before"], admin_keys=(digest_of(KEY),))
    _publish(data, work, settings, checkout)
    return settings


def _publish(data: Path, work: Path, settings: Settings, checkout: Path | None = None) -> None:
    command("app", "import", str(data.resolve()), "--mode", "replace", settings=settings, checkout=checkout)
    bundle = str((work / "run" / "bundle").resolve())
    command("app", "reindex", "--bundle", bundle, settings=settings, checkout=checkout)


def command(module: str, *arguments: str, settings: Settings | None = None, checkout: Path | None = None) -> None:
    """Run a command of ours to its end. `checkout`: of another version; None: this one."""
    environment = {**os.environ, **(settings.environment() if settings else {})}
    environment |= {"PYTHONPATH": str(checkout)} if checkout else {}
    arguments = (sys.executable, "-m", module, *arguments)
    subprocess.run(arguments, env=environment, cwd=checkout, check=True, stdout=subprocess.DEVNULL)


def zipf(questions: int, draws: int) -> list[int]:
    """Numbers of questions, drawn by Zipf's law with exponent 1."""
    weights = 1 / np.arange(1, questions + 1)
    drawn: list[int] = np.random.default_rng(0).choice(questions, draws, p=weights / weights.sum()).tolist()
    return drawn


def _write_bodies(path: Path, questions: Iterable[str]) -> None:
    path.write_text("\n".join(json.dumps({"question": question}) for question in questions), encoding="utf-8")
