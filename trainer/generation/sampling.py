"""The sampling settings of every query generator."""

from typing import NamedTuple


class Sampling(NamedTuple):
    """Draw tokens from the likeliest `top_k` (0: all), of those from the likeliest with total probability `top_p`."""

    queries: int = 3  # per passage
    top_p: float = 0.95
    top_k: int = 50
    temperature: float = 1.0
    seed: int = 0
