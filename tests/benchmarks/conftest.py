"""The benchmarks are tried with the trainer's smallest model."""

from tests.trainer.conftest import tiny_base

__all__ = ["tiny_base"]
