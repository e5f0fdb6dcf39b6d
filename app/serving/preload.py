"""What the fork server imports before it forks worker processes, so that they share the memory of all modules.

The collector of garbage is told to leave these objects alone: it would write to each, and so copy it.
"""

import gc

import onnxruntime  # noqa: F401 - with ORT_DISABLE_TELEMETRY, which `app` sets, it starts no thread

import app.serving.worker  # noqa: F401

gc.collect()
gc.freeze()
