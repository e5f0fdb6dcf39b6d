"""Sessions of ONNX Runtime on the CPU, whose threads sleep while there is nothing to do."""

from pathlib import Path
from typing import TYPE_CHECKING

from app import cores

if TYPE_CHECKING:
    import onnxruntime as ort


def open_graph(path: Path, threads: int = 0) -> "ort.InferenceSession":
    """A session of the graph in `path`. `threads`: 0 takes all usable cores.

    ONNX Runtime raises its own types, which derive from Exception only.
    """
    import onnxruntime as ort  # not before: it starts a thread, after which a process must not fork

    options = ort.SessionOptions()
    options.intra_op_num_threads = threads or cores.usable()
    options.log_severity_level = 3
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")  # no busy waiting
    return ort.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
