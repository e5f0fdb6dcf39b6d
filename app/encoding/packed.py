"""A graph whose weights ONNX Runtime has laid out for this machine, in a file that all processes map.

A session of the graph as it was exported holds its weights in memory of its own, laid out for the kernels of the
processor. This layout can be saved. A session of the saved graph maps it, so that all processes share its pages, and
opens in half the time.

    <directory>/<name>-<machine>/   graph.onnx, weights.bin, probe.json

`machine` names what the layout depends on: the version of ONNX Runtime and the processor. `probe.json` holds the digest
of the weights, and what the exported graph gives for some token ids; both are compared before a saved graph is used.
"""

import fcntl
import hashlib
import json
import logging
import platform
import shutil
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from app import durable
from app.digests import sha256
from app.encoding.session import open_graph

if TYPE_CHECKING:
    import onnxruntime as ort

LEAST = 4_000_000  # bytes; a smaller graph is not worth a file
TOLERANCE = 1e-4
PROBE = np.arange(1, 9, dtype=np.int64)[None]  # token ids, (1, 8)
_GRAPH, _WEIGHTS, _ABOUT = "graph.onnx", "weights.bin", "probe.json"
_SAVING = {
    "session.save_external_prepacked_constant_initializers": "1",
    "session.optimized_model_external_initializers_file_name": _WEIGHTS,
    "session.optimized_model_external_initializers_min_size_in_bytes": "1024",
}

logger = logging.getLogger(__name__)


def open_packed(graph: Path, directory: Path, name: str, threads: int) -> "ort.InferenceSession":
    """A session of `graph` from its packed form, which is made in `directory` where there is none.

    Where it cannot be made or is damaged, the session is that of the graph itself, and the log says why. `name`: of the
    graph and its bundle; a name always means the same graph. Raises what `open_graph` raises.
    """
    machine = _machine()
    if machine is None or graph.stat().st_size < LEAST:
        return open_graph(graph, threads)
    packed = directory / f"{name}-{machine}"
    try:
        if not packed.exists():
            _make(graph, packed)
        return _verified(packed, threads)
    except Exception as error:  # ONNX Runtime raises types that derive from Exception only
        logger.warning("%s cannot be used, and is left out: %s", packed, error)
        shutil.rmtree(packed, ignore_errors=True)
        return open_graph(graph, threads)


def _make(graph: Path, packed: Path) -> None:
    """Save the packed form of a graph, unless another process has done so meanwhile."""
    packed.parent.mkdir(parents=True, exist_ok=True)
    with (packed.parent / ".lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if packed.exists():
            return
        draft = packed.with_name(f".{packed.name}")
        shutil.rmtree(draft, ignore_errors=True)
        draft.mkdir()
        try:
            session = open_graph(graph, 1, _SAVING, saved=draft / _GRAPH)
            about = {"weights": sha256(draft / _WEIGHTS), "vector": _probe(session)}
            (draft / _ABOUT).write_text(json.dumps(about), encoding="utf-8")
            durable.move(draft, packed)
        finally:
            shutil.rmtree(draft, ignore_errors=True)


def _verified(packed: Path, threads: int) -> "ort.InferenceSession":
    about = json.loads((packed / _ABOUT).read_text(encoding="utf-8"))
    if sha256(packed / _WEIGHTS) != about["weights"]:
        raise ValueError(f"{_WEIGHTS} is not the file that was written")
    session = open_graph(packed / _GRAPH, threads)
    if not np.allclose(_probe(session), about["vector"], atol=TOLERANCE):
        raise ValueError("it gives other vectors than the graph that it was made of")
    return session


def _probe(session: "ort.InferenceSession") -> list[float]:
    """The vector of the probe's token ids."""
    (vector,) = session.run(None, {"input_ids": PROBE, "attention_mask": np.ones_like(PROBE)})[0]
    values: list[float] = np.asarray(vector, dtype=np.float64).tolist()
    return values


def _machine() -> str | None:
    """What the layout of weights depends on, as part of a name; None where it is not known."""
    import onnxruntime as ort

    with suppress(OSError):
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").partition("\n\n")[0].splitlines()
        fields = {name.strip(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        features = fields.get("flags") or fields.get("Features")
        if features:
            text = f"{platform.machine()} {fields.get('model name', '')} {features}"
            return f"{ort.__version__}-{hashlib.sha256(text.encode()).hexdigest()[:8]}"
    return None
