"""The base model as a bundle, made without torch, so that an installation without the trainer can answer."""

import hashlib
import json
import shutil
from collections.abc import Iterable, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory

import onnx
from safetensors.numpy import load_file

from app.encoding.bundle import HELDOUT, MODEL, RANKING, TOKENIZER, Bundle, Encoding, seal
from app.encoding.encoder import Encoder
from app.errors import BundleError
from app.graphs.bert import sentence_encoder
from app.graphs.packaged import NAME, WEIGHTS, packaged
from app.graphs.quantize import feeds, quantize
from app.ranking.defaults import DEFAULTS

RECIPE = "base"
LIBRARIES = ("onnx", "onnxruntime")
SAMPLE = 128  # texts that the 8-bit graph is fitted to and compared on
PARITY = 0.998  # least mean cosine between the vectors of the 8-bit graph and the exact ones


def base_bundle(models: Path, texts: Iterable[str]) -> Bundle:
    """The bundle of the packaged base model in `models`, which is made there unless it exists.

    `texts` are of the kind that will be encoded; the 8-bit graph is fitted to a sample of them. The bundle has no
    held-out questions, so its confidence is that of other FAQs. Raises InputError if the model is missing or damaged.
    """
    return _installed(models) or _made(models, _sampled(texts))


def _installed(models: Path) -> Bundle | None:
    """The newest installed bundle that the same versions of the libraries made of this model, or None."""
    installed = []
    for directory in models.iterdir() if models.is_dir() else ():
        with suppress(BundleError):
            bundle = Bundle.load(directory)
            made = bundle.manifest.recipe, bundle.manifest.base_model, bundle.manifest.libraries
            if made == (RECIPE, NAME, _libraries()):
                installed.append(bundle)
    return max(installed, key=lambda bundle: bundle.manifest.created_at, default=None)


def _made(models: Path, texts: Sequence[str]) -> Bundle:
    source = packaged()
    with TemporaryDirectory(prefix="faqtual-base-") as scratch:
        exact = _exact(source, Path(scratch) / "fp32")
        return _quantized(exact, Path(scratch) / "int8", texts).install(models)


def _exact(source: Path, directory: Path) -> Bundle:
    """The bundle in 32-bit floats."""
    directory.mkdir()
    config, settings = (
        json.loads((source / name).read_bytes()) for name in ("config.json", "sentence_bert_config.json")
    )
    onnx.save(sentence_encoder(config, load_file(source / WEIGHTS), "mean"), directory / MODEL)
    shutil.copyfile(source / TOKENIZER, directory / TOKENIZER)
    encoding = Encoding(dimension=config["hidden_size"], max_tokens=settings["max_seq_length"], precision="fp32")
    return _sealed(directory, encoding)


def _quantized(exact: Bundle, directory: Path, texts: Sequence[str]) -> Bundle:
    """The bundle in 8 bits, or `exact` where the vectors of the texts differ too much or there are no texts."""
    if not texts:
        return exact
    shutil.copytree(exact.directory, directory)
    encoder = Encoder(exact)
    quantize(exact.directory / MODEL, directory / MODEL, feeds(encoder, texts))
    encoding = exact.manifest.encoding.model_copy(update={"precision": "int8"})
    small = _sealed(directory, encoding)
    parity = float((encoder.encode_queries(texts) * Encoder(small).encode_queries(texts)).sum(axis=1).mean())
    return _sealed(directory, encoding, parity) if parity >= PARITY else exact


def _sealed(directory: Path, encoding: Encoding, parity: float | None = None) -> Bundle:
    """Write what is the same in both forms, and the manifest."""
    (directory / RANKING).write_text(f"{DEFAULTS.model_dump_json(indent=2, exclude_none=True)}\n", encoding="utf-8")
    (directory / HELDOUT).write_text("", encoding="utf-8")
    created_at = datetime.now(UTC).isoformat(timespec="seconds")
    checks = {} if parity is None else {"int8": {"parity": parity}}
    manifest = seal(
        directory,
        encoding=encoding,
        base_model=NAME,
        recipe=RECIPE,
        created_at=created_at,
        libraries=_libraries(),
        checks=checks,
    )
    return Bundle(directory, manifest)


def _libraries() -> dict[str, str]:
    return {name: version(name) for name in LIBRARIES}


def _sampled(texts: Iterable[str]) -> list[str]:
    """A sample that does not depend on the order of the texts."""
    return sorted(set(texts), key=lambda text: hashlib.sha256(text.encode()).digest())[:SAMPLE]
