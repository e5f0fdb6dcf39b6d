"""The bundle: the directory that the trainer writes and the service loads.

    manifest.json    schema, revision, base model, shapes, checks, metrics, and a hash of every file
    model.onnx       input_ids, attention_mask (batch, tokens) int64 -> sentence_embedding (batch, dimension) float32
    tokenizer.json   Hugging Face `tokenizers` format
    ranking.json     the weights of the ranking and its calibration (`ranking.ranking.Ranking`)
    heldout.jsonl    questions that were not trained on; may be empty
    answers.onnx     optional: like model.onnx, for answers; model.onnx then encodes questions and phrasings only
    reranker.onnx    optional: input_ids, attention_mask, token_type_ids (batch, tokens) int64 -> logits (batch,)
                     float32; uses tokenizer.json, and the manifest's `reranker` has its settings

The revision is a hash of everything that changes an answer: two bundles of one revision give the same answers.
"""

import hashlib
import json
import os
import shutil
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, NamedTuple, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from app import durable
from app.digests import sha256
from app.errors import BundleError

SCHEMA_VERSION = 1
MANIFEST = "manifest.json"
MODEL = "model.onnx"
ANSWERS = "answers.onnx"
TOKENIZER = "tokenizer.json"
RANKING = "ranking.json"
HELDOUT = "heldout.jsonl"
RERANKER = "reranker.onnx"
FILES = (MODEL, TOKENIZER, RANKING, HELDOUT)
OPTIONAL = (ANSWERS, RERANKER)  # part of the revision where the manifest names them, and ignored where it does not
REVISION_LENGTH = 12


class HeldOut(NamedTuple):
    """A question that was not trained on, and the id and text of the answer; both None where nothing answers it."""

    question: str
    faq_id: str | None
    answer: str | None = None


class Encoding(BaseModel):
    """The settings of the encoder beside its graph."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    dimension: int = Field(ge=1)
    max_tokens: int = Field(ge=8)
    similarity: Literal["cosine", "dot"] = "cosine"
    question_prefix: str = ""
    answer_prefix: str = ""
    precision: str = "fp32"
    max_batch: int | None = Field(
        None, ge=1, description="1 where an embedding would depend on the other texts of its batch"
    )


class Reranking(BaseModel):
    """The settings of the reranker beside its graph."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    max_tokens: int = Field(ge=8, description="of a question and a text together, special tokens included")
    with_question: bool = Field(
        description="whether the text of an entry is its question and its answer, or its answer only"
    )
    precision: str = "fp32"


class Manifest(BaseModel):
    """manifest.json. The trainer measures `metrics` and `checks` on the exported graph."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    schema_version: int
    revision: str = Field(pattern=rf"^[0-9a-f]{{{REVISION_LENGTH}}}$")
    created_at: str
    base_model: str
    recipe: str
    encoding: Encoding
    reranker: Reranking | None = None
    training_data_sha256: str | None = None
    checks: dict[str, Any] = {}
    metrics: dict[str, Any] = {}
    libraries: dict[str, str] = {}
    files: dict[str, str]

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the files that the bundle consists of, without the manifest."""
        return (*FILES, *(name for name in OPTIONAL if name in self.files))


@dataclass(frozen=True)
class Bundle:
    """A verified bundle on disk."""

    directory: Path
    manifest: Manifest

    @classmethod
    def load(cls, directory: Path) -> Self:
        """Read and verify the bundle in `directory`. Raises BundleError naming the file that is missing or damaged."""
        manifest = read_manifest(directory)
        for name in manifest.names:
            path = directory / name
            if not path.is_file():
                raise BundleError(f"{directory} is damaged: {name} is missing. Export or copy the bundle again.")
            if sha256(path) != manifest.files.get(name):
                raise BundleError(
                    f"{directory} is damaged: {name} is not the file that was exported. Export or copy it again."
                )
        if _revision(manifest.encoding, manifest.files, manifest.reranker) != manifest.revision:
            raise BundleError(f"{directory} is damaged: its revision does not follow from its files. Export it again.")
        return cls(directory, manifest)

    @property
    def two_sided(self) -> bool:
        """Whether answers have a graph of their own."""
        return ANSWERS in self.manifest.files

    @property
    def revision(self) -> str:
        """12 hex digits, a hash of everything in the bundle that changes an answer."""
        return self.manifest.revision

    def heldout(self) -> list[HeldOut]:
        """The held-out questions."""
        lines = (self.directory / HELDOUT).read_text(encoding="utf-8").splitlines()
        return [HeldOut(**json.loads(line)) for line in lines if line]

    def install(self, models: Path) -> Self:
        """The bundle in `models/<revision>`, copied there unless a whole one is there."""
        return self.installed(models, self.revision, lambda copy: shutil.copytree(self.directory, copy))

    @classmethod
    def installed(cls, models: Path, revision: str, write: Callable[[Path], object]) -> Self:
        """The bundle in `models/<revision>`. Unless a whole one is there, `write` writes it.

        `write` gets a path at which nothing is. What it wrote is verified before it takes its name. Raises BundleError,
        and what `write` raises.
        """
        target = models / revision
        if target.is_dir():
            with suppress(BundleError):
                return cls.load(target)
        copy = models / f".{revision}.{os.getpid()}"
        shutil.rmtree(copy, ignore_errors=True)
        try:
            write(copy)
            manifest = cls.load(copy).manifest
            if manifest.revision != revision:
                raise BundleError(f"{copy} holds the bundle {manifest.revision} in place of {revision}.")
            shutil.rmtree(target, ignore_errors=True)  # a damaged one
            durable.move(copy, target)
        finally:
            shutil.rmtree(copy, ignore_errors=True)
        return cls(target, manifest)


def seal(directory: Path, *, encoding: Encoding, reranker: Reranking | None = None, **fields: object) -> Manifest:
    """Write manifest.json for the files in `directory`, as the last step of an export.

    answers.onnx is part of the bundle where the file exists, reranker.onnx where `reranker` is given. `fields` are the
    other fields of the manifest: base_model, recipe, created_at, metrics and so on.
    """
    names = [*FILES, *([ANSWERS] if (directory / ANSWERS).is_file() else []), *([RERANKER] if reranker else [])]
    files = {name: sha256(directory / name) for name in names}
    computed = {"schema_version": SCHEMA_VERSION, "revision": _revision(encoding, files, reranker), "files": files}
    manifest = Manifest.model_validate({**fields, **computed, "encoding": encoding, "reranker": reranker})
    durable.write(directory / MANIFEST, manifest.model_dump_json(indent=2) + "\n")
    return manifest


def add_metrics(directory: Path, **metrics: object) -> None:
    """Add figures to the manifest of the bundle in `directory`; its revision stays. Raises BundleError."""
    manifest = read_manifest(directory)
    added = manifest.model_copy(update={"metrics": manifest.metrics | metrics})
    durable.write(directory / MANIFEST, added.model_dump_json(indent=2) + "\n")


def read_manifest(directory: Path) -> Manifest:
    """The manifest of the bundle in `directory`. Raises BundleError."""
    path = directory / MANIFEST
    try:
        raw = json.loads(path.read_bytes())
    except FileNotFoundError:
        problem = "does not exist" if not directory.exists() else f"has no {MANIFEST}"
        raise BundleError(f"{directory} is no bundle: it {problem}. `python -m trainer fit` makes one.") from None
    except (OSError, ValueError) as error:
        raise BundleError(f"{path} cannot be read: {error}") from error
    version = raw.get("schema_version") if isinstance(raw, dict) else None
    if version != SCHEMA_VERSION:
        raise BundleError(
            f"{directory} has bundle schema {version!r}; this version serves {SCHEMA_VERSION}. "
            "Export it again with the trainer of this version."
        )
    try:
        return Manifest.model_validate(raw)
    except ValidationError as error:
        raise BundleError(f"{path} cannot be used: {_first(error)}") from error


def _revision(encoding: Encoding, files: dict[str, str], reranker: Reranking | None) -> str:
    """The hash of the settings and the files. Optional parts count only where the bundle has them."""
    hashed = {name: files.get(name) for name in FILES} | {name: files[name] for name in OPTIONAL if name in files}
    content: dict[str, Any] = {"encoding": encoding.model_dump(), "files": hashed}
    if reranker is not None:
        content["reranker"] = reranker.model_dump()
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:REVISION_LENGTH]


def _first(error: ValidationError) -> str:
    first = error.errors()[0]
    return f"{'.'.join(map(str, first['loc']))}: {first['msg']}"
