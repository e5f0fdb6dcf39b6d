"""The service: it answers questions from a FAQ."""

import os

# ONNX Runtime 1.29 and later report use to Microsoft unless this is set before it is imported.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
