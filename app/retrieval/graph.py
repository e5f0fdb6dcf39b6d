"""How ONNX graphs are run here: on the CPU, by threads that sleep while there is nothing to do."""

from pathlib import Path

import onnxruntime as ort


def open_graph(path: Path, threads: int = 0) -> ort.InferenceSession:
    """A session of the graph in `path`, on so many threads; 0 takes all cores.

    Raises what ONNX Runtime raises: bare types of its own.
    """
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    options.log_severity_level = 3
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")  # idle threads leave their cores to others
    return ort.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
