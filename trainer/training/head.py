"""A head on a frozen encoder: a gated linear layer with a residual connection, initialized near the identity.

The encoder does not change, so it embeds each text once. The vectors are cached on disk by encoder and text, and later
runs read them. After the training the gate is folded into the layer, which is then a plain Dense module of
sentence-transformers.
"""

import hashlib
import logging
import os
import sqlite3
from collections.abc import Sequence
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import numpy as np
import torch
from sentence_transformers import SentenceTransformer
from sentence_transformers.base.modules.dense import Dense
from sentence_transformers.base.modules.normalize import Normalize
from torch import Tensor, nn

from trainer.training.tokens import Tokens, embed_with

GATE = 0.1  # initial gate of each dimension; 0 is the identity
COMMITTED = 2048  # texts embedded per transaction; an interruption loses at most these
log = logging.getLogger("trainer")


class Gate(nn.Module):
    """A trainable factor for each dimension of a layer's output."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.factor = nn.Parameter(torch.full((width,), GATE))

    def forward(self, added: Tensor) -> Tensor:
        """(texts, width) -> (texts, width)."""
        return self.factor * added


def add_head(model: SentenceTransformer, seed: int) -> None:
    """Freeze the model and insert a head before its normalization. `fold_head` turns it into a plain layer."""
    model.requires_grad_(False)
    width = int(model.get_embedding_dimension() or 0)
    torch.manual_seed(seed)
    head = Dense(width, width, activation_function=Gate(width), use_residual=True).to(model.device)
    nn.init.normal_(head.linear.weight, std=width**-0.5 / 10)
    nn.init.zeros_(head.linear.bias)
    last = len(model)
    model.insert(last - 1 if isinstance(model[last - 1], Normalize) else last, head)


def head_of(model: SentenceTransformer) -> int | None:
    """The position of the trainable head among the model's modules; None if it has none."""
    return next(
        (i for i, module in enumerate(model) if isinstance(getattr(module, "activation_function", 0), Gate)), None
    )


def fold_head(model: SentenceTransformer) -> None:
    """Fold the gate into the head's layer, and make all weights trainable."""
    head: Any = model[head_of(model) or 0]
    gate: Tensor = head.activation_function.factor.detach()
    with torch.no_grad():
        head.linear.weight.mul_(gate[:, None])
        head.linear.bias.mul_(gate)
    head.activation_function = nn.Identity()
    model.requires_grad_(True)


def tail(model: SentenceTransformer) -> nn.Sequential:
    """The head and the modules after it, which share their weights with the model."""
    return nn.Sequential(*list(model)[head_of(model) :])


class Frozen:
    """The vectors that the frozen part of a model gives texts: read from the cache, or computed and cached."""

    def __init__(self, model: SentenceTransformer, bf16: bool, directory: Path | None = None) -> None:
        self.model, self.bf16 = model, bf16
        self.width = int(model.get_embedding_dimension() or 0)
        self.modules = nn.Sequential(*list(model)[: head_of(model)])
        self.path = (directory or cache_directory()) / f"{_digest(self.modules, model.max_seq_length, bf16)}.db"

    def vectors(self, texts: Sequence[str]) -> Tensor:
        """(texts, dimension), on the model's device."""
        with closing(_open(self.path)) as database:
            keys = {text: hashlib.sha256(text.encode()).digest() for text in texts}
            known = {text: vector for text, key in keys.items() if (vector := _get(database, key)) is not None}
            missing = [text for text in keys if text not in known]
            for start in range(0, len(missing), COMMITTED):
                batch = missing[start : start + COMMITTED]
                embedded = embed_with(self.modules, self.model, Tokens(self.model, batch), self.bf16).numpy()
                known |= dict(zip(batch, embedded, strict=True))
                rows = [(keys[text], vector.tobytes()) for text, vector in zip(batch, embedded, strict=True)]
                with suppress(sqlite3.OperationalError), database:  # a full disk: the vectors are not cached
                    database.executemany("INSERT OR REPLACE INTO vectors VALUES (?, ?)", rows)
        stacked = np.array([known[text] for text in texts], dtype=np.float32)
        return torch.from_numpy(stacked.reshape(len(texts), self.width)).to(self.model.device)


def cache_directory() -> Path:
    """The directory of the cached vectors: below XDG_CACHE_HOME, by default ~/.cache."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "faqtual" / "vectors"


def _open(path: Path) -> sqlite3.Connection:
    """The database. A damaged file is replaced; if the file cannot be written, the database is in memory."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        return _connect(str(path))
    except (OSError, sqlite3.OperationalError) as error:
        log.warning("Vectors are not cached for later runs, because %s cannot be written: %s", path, error)
        return _connect(":memory:")
    except sqlite3.DatabaseError:
        path.unlink()
        return _connect(str(path))


def _connect(path: str) -> sqlite3.Connection:
    database = sqlite3.connect(path, timeout=60)
    try:
        database.execute("CREATE TABLE IF NOT EXISTS vectors (text BLOB PRIMARY KEY, vector BLOB) WITHOUT ROWID")
    except sqlite3.Error:
        database.close()
        raise
    return database


def _get(database: sqlite3.Connection, key: bytes) -> np.ndarray[tuple[int], np.dtype[np.float32]] | None:
    row = database.execute("SELECT vector FROM vectors WHERE text = ?", (key,)).fetchone()
    return None if row is None else np.frombuffer(row[0], dtype=np.float32)


def _digest(modules: nn.Module, tokens: int | None, bf16: bool) -> str:
    """A digest of everything that determines the vector of a text."""
    digest = hashlib.sha256(f"{modules!r} {tokens} {bf16}".encode())
    for name, value in sorted(modules.state_dict().items()):
        digest.update(name.encode())
        digest.update(value.cpu().reshape(-1).view(torch.uint8).numpy().tobytes())  # numpy has no bfloat16
    return digest.hexdigest()[:32]
