"""Sessions of ONNX Runtime on the CPU, whose threads sleep while there is nothing to do."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from app import cores

if TYPE_CHECKING:
    import onnxruntime as ort


def open_graph(
    path: Path, threads: int = 0, entries: Mapping[str, str] | None = None, saved: Path | None = None
) -> "ort.InferenceSession":
    """A session of the graph in `path`. `threads`: 0 takes all usable cores.

    `entries`: further entries of the session's configuration. `saved`: where the optimized graph is written.

    ONNX Runtime raises its own types, which derive from Exception only.
    """
    import onnxruntime as ort  # here, as commands that encode nothing do without its 20 MB

    options = ort.SessionOptions()
    options.intra_op_num_threads = threads or cores.usable()
    options.log_severity_level = 3
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")  # no busy waiting
    for key, value in (entries or {}).items():
        options.add_session_config_entry(key, value)
    if saved:
        options.optimized_model_filepath = str(saved)
    return ort.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
